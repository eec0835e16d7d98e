"""Whatever the bytes: an image, or one sentence."""

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_retina_seg.io import SUFFIXES, read_image
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.image import RetinaImage

QUICK = settings(
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

STARTS = (
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"\xff\xd8\xff\xe0",
    b"GIF89a",
    b"BM",
    b"P5 ",
    b"P6\n4 4\n255\n",
    b"II*\0\x08\0\0\0",
    b"MM\0*\0\0\0\x08",
    b"II+\0\x08\0\0\0",
    b"\x93NUMPY\x01\0",
    b"PK\x03\x04",
    b"\0" * 128 + b"DICM",
    b"HSF-OCT-103\0",
    b"FOCTFDA" + bytes(8),
    b"CMDb" + bytes(32) + b"MDbMDir\0" + bytes(32),
    b"*\0\0\0g\0\x0b\0\0\0FRAMEHEADER",
    b"<HEDX>",
    b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM",
)


def read_or_say(path, content):
    path.write_bytes(content)
    assert_is_read_or_refused(path)


def assert_is_read_or_refused(path):
    try:
        image = read_image(path)
    except RetinaSegError as error:
        assert_is_sentence(str(error))
    else:
        assert isinstance(image, RetinaImage)


def assert_is_sentence(text):
    assert text.endswith(".")
    assert "\n" not in text
    assert "Error" not in text
    assert "Traceback" not in text


@settings(QUICK, max_examples=300)
@given(st.sampled_from(STARTS), st.binary(max_size=400), st.sampled_from(SUFFIXES))
def test_random_bytes(tmp_path, start, rest, suffix):
    read_or_say(tmp_path / f"image{suffix}", start + rest)


@settings(QUICK, max_examples=500)
@given(st.integers(0, 99), st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=2))))
def test_altered_files(tmp_path, valid_files, which, changes):
    valid = sorted(valid_files.iterdir())
    chosen = valid[which % len(valid)]
    content = bytearray(chosen.read_bytes())
    for share, value in changes:
        # Headers are where the harm is done: most changes fall there.
        at = int(share**3 * (len(content) - 1))
        content[at : at + len(value)] = value
    read_or_say(tmp_path / chosen.name, bytes(content))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_truncated_files_are_refused(tmp_path, valid_files, share):
    for valid in valid_files.iterdir():
        content = valid.read_bytes()
        path = tmp_path / valid.name
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(ReadError, match=valid.name) as caught:
            read_image(path)
        assert_is_sentence(str(caught.value))


def test_whole_files_are_read_in_silence(valid_files, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for path in valid_files.iterdir():
        assert read_image(path).pixels.size
    assert capfd.readouterr() == ("", "")
    assert caplog.text == ""


NUMBER = st.one_of(
    st.sampled_from(["", "0", "-1", "3", "16", "20", "nan", "1e400", "2.5", "9" * 5000, "٣", "\0"]),
    st.integers(-(2**70), 2**70).map(str),
)
SIZES = st.lists(NUMBER, min_size=1, max_size=4).map(" ".join)
FIELD = st.one_of(
    st.tuples(st.sampled_from(["DimSize", "ElementSpacing"]), SIZES),
    st.tuples(st.sampled_from(["ElementType"]), st.sampled_from(["MET_SHORT", "MET_FLOAT", "u1"])),
    st.tuples(st.sampled_from(["ElementDataFile"]), st.text(max_size=9) | st.just("../b.raw")),
    st.tuples(st.sampled_from(["ElementNumberOfChannels", "CompressedData"]), NUMBER),
    st.tuples(st.text(max_size=9), st.text(max_size=9)),
)
METAIMAGE = (("DimSize", "20 16 3"), ("ElementType", "MET_UCHAR"), ("ElementDataFile", "a.raw"))


@settings(QUICK, max_examples=50)
@given(st.lists(FIELD, max_size=3))
def test_altered_headers_of_metaimages(tmp_path, fields):
    (tmp_path / "a.raw").write_bytes(bytes(range(240)) * 4)
    lines = (f"{name} = {value}" for name, value in (*METAIMAGE, *fields))
    read_or_say(tmp_path / "a.mhd", "\n".join(lines).encode(errors="replace"))


@settings(QUICK, max_examples=50)
@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=3), st.text(max_size=30))
def test_altered_descriptions_of_optovue(tmp_path, scans, rest):
    lines = (f"Window Height = {rows} Pixels\nScan Length = {columns} A-scans\nScan Usage = {count}"
             for rows, columns, count in [("2", "3", "4"), *scans])  # fmt: skip
    text = "\n".join([*lines, rest])
    (tmp_path / "a.txt").write_bytes(text.encode(errors="replace"))
    read_or_say(tmp_path / "a.oct", bytes(96))


@settings(QUICK, max_examples=50)
@given(
    st.sampled_from(["Macular Cube 200x200_OD_cube_z", "Optic Disc Cube 200x200_OS_a_cube_z"]),
    st.integers(0, 40),
    st.sampled_from(["", "0", "٣", "9" * 200, "_", "x", "OD_", " "]),
)
def test_altered_names_of_zeiss_cubes(tmp_path, name, at, text):
    """Nothing but the name says what such a file is; the size must be that of the scan."""
    read_or_say(tmp_path / f"{name[:at]}{text}{name[at:]}.img", b"x")
