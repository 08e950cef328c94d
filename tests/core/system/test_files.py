"""Files whose header is damaged, which NumPy refuses with errors of other kinds than it says."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from core.system.files import UnfitFileError, check_file, read_array


@pytest.mark.parametrize("mapped", [False, True])
def test_a_damaged_header_of_an_array_or_an_archive_is_a_value_error(tmp_path: Path, mapped: bool) -> None:
    array, archive = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(3))
    np.savez(archive, numbers=np.arange(3))
    damaged = {"a.npy": array.getvalue().replace(b"}", b" ", 1), "a.npz": archive.getvalue()[:-10]}
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match="its header is damaged"):
            read_array(tmp_path / name, mapped=mapped)


def test_an_onnx_file_may_have_two_gigabytes(tmp_path: Path) -> None:
    file = tmp_path / "detector.onnx"
    file.touch()
    # without a block on the disk
    os.truncate(file, 2**31)
    check_file(file)
    os.truncate(file, 2**31 + 1)
    with pytest.raises(UnfitFileError):
        check_file(file)
