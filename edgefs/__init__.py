"""edgefs on the workstation: adapt a pretrained network to a line's images; and the `edgefs` command."""
