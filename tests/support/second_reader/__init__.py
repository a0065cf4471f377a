"""A second implementation of docs/formats: it is written from those pages alone and imports nothing of edgefs.

It reads everything and writes a gallery; where a file is not what the pages say it raises `ValueError`. The tests in
tests/formats compare what it finds with what edgefs says, so that a page that is wrong or vague fails a test.
"""
