#!/usr/bin/env bash
# Whether a bundle made here decides on 64-bit Arm what it decides here: the base install, emulated, beside this machine.
#
#   tools/arm/run.sh [BUNDLE...]      without one, a bundle of `nano` and rendered parts is made
#
# Needs root (for chroot) and: apt-get update && apt-get install debootstrap qemu-user-static
#   PYTHON      of this checkout with the workstation installed (.venv/bin/python)
#   ARM_CACHE   where the Arm root is kept between runs (below the user's cache folder)
#   ARM_SUITE   name of the Debian or Ubuntu that the root is made of (this machine's); its python3 is the one that runs
#   ARM_MIRROR  where it comes from (this machine's apt says)
#   ARM_RUNS    onnxruntime@processor, one run each; qemu-aarch64-static -cpu help lists the processors
# Exit status 1 when an answer is another one. The root is made anew when its folder is removed.
#
# The root is only unpacked, and nothing is mounted, so nothing has to be undone. Its /proc and /sys hold what describes
# an Arm processor and no more: with this machine's, onnxruntime fails on a processor that is no Arm; with none, it takes
# other kernels than a device would.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/../.." && pwd)
tools=$checkout/tools/arm
PYTHON=${PYTHON:-$checkout/.venv/bin/python}
ARM_CACHE=${ARM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/edgefs/arm}
ARM_SUITE=${ARM_SUITE:-$(. /etc/os-release && echo "${VERSION_CODENAME:-}")}
# A Raspberry Pi 4 knows no dot products of int8; whatever the emulator knows; JetPack 6's last onnxruntime.
ARM_RUNS=${ARM_RUNS:-onnxruntime@cortex-a72 onnxruntime@max onnxruntime==1.23.2@max}
root=$ARM_CACHE/$ARM_SUITE

fail() { echo "make arm: $*" >&2; exit 1; }

require() {
    for tool in debootstrap qemu-aarch64-static dpkg-deb unshare flock; do
        command -v $tool >/dev/null || fail "$tool is missing: apt-get update && apt-get install debootstrap qemu-user-static"
    done
    for bundle in "$@"; do [ -f "$bundle" ] || fail "$bundle: no such bundle"; done
    [ "$(id -u)" = 0 ] || fail "needs root, to unpack another machine's files and to run in them"
    "$PYTHON" -c "import torch" || fail "$PYTHON has no torch; name one with the workstation: PYTHON=..."
}

mirror() {
    apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' 2>/dev/null |
        awk -v suite="$ARM_SUITE" '$2 == suite { print $1; exit }'
}

make_root() {
    [ -d "$root" ] && return
    ARM_MIRROR=${ARM_MIRROR:-$(mirror)}
    [ -n "$ARM_MIRROR" ] || fail "apt here does not know where '$ARM_SUITE' comes from; set ARM_SUITE and ARM_MIRROR"
    rm -rf "$root.partial"
    echo "unpacks $ARM_SUITE for arm64 ..."
    # The first stage alone: the second would run every package's scripts under the emulator, for nothing we need.
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3 "$ARM_SUITE" "$root.partial" "$ARM_MIRROR" \
        >"$root.log" 2>&1 || fail "$(tail -n 1 "$root.log") (all of it in $root.log)"
    for package in "$root.partial"/var/cache/apt/archives/*.deb; do dpkg-deb -x "$package" "$root.partial"; done
    rm -rf "$root.partial/var/cache/apt" "$root.partial/debootstrap"
    mv "$root.partial" "$root"
}

describe_processor() {
    mkdir -p "$root/sys/devices/system/cpu"
    echo 0-1 | tee "$root"/sys/devices/system/cpu/{possible,present} >/dev/null
    cp "$tools/cpuinfo" "$root/proc/cpuinfo"
}

install_packages() { # of one onnxruntime, below $root/packages
    local version tags
    version=$(basename "$(ls "$root"/usr/bin/python3.[0-9]*)" | cut -c 7-)
    tags=$(seq -f '--platform manylinux_2_%g_aarch64' 31 -1 17)
    rm -rf "$root/packages"
    # shellcheck disable=SC2086 # tags are many words
    "$PYTHON" -m pip install -q --target "$root/packages" --python-version "$version" --implementation cp $tags \
        --platform manylinux2014_aarch64 --only-binary=:all: "$1" "$work"/wheel/edgefs-*.whl
}

here() { (cd "$work/parts" && EDGEFS_STATE=$work/state "$PYTHON" "$@"); }

there() {
    env -i HOME=/tmp PYTHONPATH=/packages EDGEFS_STATE=/device/state QEMU_CPU="$processor" \
        unshare --root="$root" --wd=/device /qemu /usr/bin/python3 "$@"
}

tell() { # the device's story, on the machine named, by the installed command
    local edgefs=(-c "from edgefs.cli import main; main()") on=$1 bundle=bundles/$2 gallery=$2.gallery out=$2.answers
    mkdir "$3/$out"
    "$on" "${edgefs[@]}" verify "$bundle" --json >"$3/$out/verify.json"
    "$on" "${edgefs[@]}" predict "$bundle" asked --gallery "$gallery" --json >"$3/$out/before.jsonl"
    "$on" "${edgefs[@]}" enroll "$bundle" taught taught --gallery "$gallery" --force --json >"$3/$out/enroll.json"
    "$on" "${edgefs[@]}" predict "$bundle" asked --gallery "$gallery" --json >"$3/$out/taught.jsonl"
    "$on" "${edgefs[@]}" gallery undo "$bundle" --gallery "$gallery" >/dev/null
    "$on" "${edgefs[@]}" predict "$bundle" asked --gallery "$gallery" --json >"$3/$out/undone.jsonl"
    "$on" embed.py "$bundle" asked "$out/embedded.npy"
}

require "$@"
mkdir -p "$ARM_CACHE"
exec 9>"$root.lock"
flock 9 # one at a time in one root
work=$(mktemp -d)
trap 'rm -rf "$work" "$root/device" "$root.partial"' EXIT
make_root
describe_processor
cp "$(command -v qemu-aarch64-static)" "$root/qemu"
"$PYTHON" -m pip wheel -q --no-deps -w "$work/wheel" "$checkout"
"$PYTHON" "$tools/prepare.py" "$work/parts" "$@"
cp "$tools/embed.py" "$work/parts"
cp -r "$work/parts" "$work/fresh"
for bundle in "$work"/parts/bundles/*; do tell here "$(basename "$bundle")" "$work/parts"; done
describe='import platform; print(platform.machine(), "with Python", platform.python_version())'
failed=0
for run in $ARM_RUNS; do
    processor=${run#*@}
    install_packages "${run%@*}"
    rm -rf "$root/device"
    cp -r "$work/fresh" "$root/device"
    echo "$(uname -m) beside $(there -c "$describe"), emulated $processor"
    for bundle in "$work"/parts/bundles/*; do
        SECONDS=0
        tell there "$(basename "$bundle")" "$root/device"
        "$PYTHON" "$tools/compare.py" "$bundle" "$work/parts/$(basename "$bundle").answers" \
            "$root/device/$(basename "$bundle").answers" || failed=1
        echo "  $SECONDS s under emulation"
    done
done
exit $failed
