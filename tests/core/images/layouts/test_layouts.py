"""Every layout, from a folder and from archives: labels, sources, splits; and the sentence of what is in none."""

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.images.encoding import encode_png
from core.images.image_set import DataPath, DatasetError, ImageSet
from core.images.layouts.registry import LAYOUTS as REGISTERED
from core.images.loading import check_image_set, load_image_set, read_files, side_of
from tests.conftest import write_cifake
from tests.core.images.layouts import made
from tests.core.images.layouts.made import LAYOUTS, SIDE, Truth, packed, picture, write


def whole(data: Path, fake: tuple[str, ...], truths: dict[str, Truth]) -> dict[str, ImageSet]:
    """The splits of a set that it has."""
    splits = {truth.split for truth in truths.values()}
    return {split: load_image_set(DataPath(str(data), fake), split) for split in splits}  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.gz"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_says_class_source_and_split_of_each_picture(name: str, kind: str, tmp_path: Path) -> None:
    make, fake = LAYOUTS[name]
    folder = tmp_path / "photos"
    truths = make(folder)
    # a table that says nothing of paths lies beside
    (folder / "notes.csv").write_text("key,value\nmade,today\n")
    if name == "real_fake":
        # named as CIFAKE's are
        truths = {f"{one.split} {path.partition('/')[2]}": one for path, one in truths.items()}
    else:
        truths = {f"{one.split} {path}": one for path, one in truths.items()}
    found = {}
    for split, images in whole(packed(folder, kind), fake, truths).items():
        assert images.name == f"{'images' if name == 'real_fake' else 'photos'}-{split}"
        assert images.side == SIDE
        for row, pixels in zip(images.rows.to_dict("records"), images.pixels, strict=True):
            source = row.get("source")
            category = row["category"] if isinstance(row["category"], str) else None
            label = ("FAKE", "REAL")[row["label"]]
            found[f"{split} {row['name']}"] = Truth(label, source if isinstance(source, str) else None, category, split)
            if name != "parquet":
                parts = (split, row["name"]) if name == "real_fake" else (row["name"],)
                content = folder.joinpath(*parts).read_bytes()
                assert row["sha256"] == hashlib.sha256(content).hexdigest()
                np.testing.assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(content))))
    assert found == truths


def test_every_layout_that_is_registered_is_tried_here() -> None:
    tried = {name.removesuffix("_csv").removesuffix("_jsonl").removesuffix("_of_splits") for name in LAYOUTS}
    assert tried == set(REGISTERED)


def test_pictures_of_a_table_of_bytes_are_its_own(tmp_path: Path) -> None:
    made.parquet(tmp_path / "set")
    names = [f"data/train-00000-of-00001.parquet/{n:07d}.png" for n in (5, 0, 4, 0)]
    data = DataPath(str(tmp_path / "set"), ("ai",))
    assert list(read_files(data, "train", names)) == [picture(n) for n in (5, 0, 4, 0)]
    assert side_of(data, "test") == SIDE


def test_a_table_of_bytes_that_was_packed_again_at_the_same_time_is_read_again(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "all.parquet"
    # plain pictures take fewer bytes
    plain = [encode_png(np.full((SIDE, SIDE, 3), 50 * n, np.uint8)) for n in range(4)]
    for pictures in ([picture(n) for n in range(4)], plain):
        pq.write_table(pa.table({"image": pictures, "label": ["real", "fake"] * 2}), file)
        os.utime(file, (10**9, 10**9))
        images = load_image_set(packed(tmp_path / "set", "tar"), "test")
        expected = [np.asarray(Image.open(io.BytesIO(content))) for content in pictures]
        np.testing.assert_array_equal(images.pixels, np.stack(expected))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar", "tar.xz"])
def test_cifake_is_the_same_set_in_all_of_them(tmp_path: Path, kind: str) -> None:
    folder = write_cifake(tmp_path / "made", train=4, test=6)
    expected = load_image_set(folder, "test")
    found = load_image_set(packed(folder, kind, prefix="cifake/"), "test")
    assert (found.name, found.fingerprint) == ("cifake-test", expected.fingerprint)
    order = np.argsort(found.rows["name"].to_numpy())
    assert found.rows.iloc[order].reset_index(drop=True).equals(expected.rows)
    np.testing.assert_array_equal(found.pixels[order], expected.pixels)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_two_sets_like_cifake_in_one_folder_are_two_sources(tmp_path: Path, kind: str) -> None:
    names = [f"{source}/{split}/{label}/{n}.png" for source in ("midjourney", "sd14") for split in ("train", "test")
             for label in ("REAL", "FAKE") for n in range(2)]  # fmt: skip
    write(tmp_path / "set", names)
    rows = load_image_set(packed(tmp_path / "set", kind), "test").rows
    assert sorted(rows["name"]) == sorted(name for name in names if "/test/" in name)
    assert rows["source"].tolist() == [name.partition("/")[0] for name in rows["name"]]


def test_long_names_of_sources_that_differ_at_their_ends_stay_apart(tmp_path: Path) -> None:
    names = ["g" * 80 + end for end in ("", "a", "b")]
    write(tmp_path / "set", [f"{name}/{label}/0.png" for name in names for label in ("0_real", "1_fake")])
    sources = load_image_set(tmp_path / "set", "test").rows["source"]
    assert sources.value_counts().tolist() == [2, 2, 2]
    assert sources.str.len().unique().tolist() == [80]


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_below_real_and_fake_are_categories(tmp_path: Path, kind: str) -> None:
    # some of the pictures lie where CIFAKE's do
    names = [f"test/{label}/{place}{n}.png" for label in ("REAL", "FAKE") for place in ("", "cat/") for n in range(2)]
    write(tmp_path / "set", names)
    rows = load_image_set(packed(tmp_path / "set", kind), "test").rows
    assert len(rows) == len(names)
    assert rows["category"].tolist().count("cat") == sum("/cat/" in name for name in names)


def test_a_line_of_a_table_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "set", ["0.png", "1.png"])
    lines = [
        {"file_name": f"{n}.png", "label": label, "text": "a\u2028b\x85c"} for n, label in enumerate(("real", "fake"))
    ]
    text = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "set" / "metadata.jsonl").write_text(text, encoding="utf-8", newline="")
    assert len(load_image_set(tmp_path / "set", "test")) == 2


def test_a_column_that_only_later_lines_of_a_table_have_is_read(tmp_path: Path) -> None:
    write(tmp_path / "set", ["0.png", "1.png"])
    lines = [{"file_name": "0.png", "label": "real"}, {"file_name": "1.png", "label": "fake", "source": "dcgan"}]
    (tmp_path / "set" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert load_image_set(tmp_path / "set", "test").rows["source"].dropna().tolist() == ["dcgan"]


def test_a_table_of_paths_may_be_named_itself_and_name_files_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "away", [f"{n}.png" for n in range(4)])
    lines = [f"{tmp_path / 'away' / f'{n}.png'},{('ai', 'photo')[n % 2]}" for n in range(4)]
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "mine.csv"
    table.write_text("image_path,class\n" + "\n".join(lines))
    images = load_image_set(table, "test")
    assert images.name == "mine-test"
    assert images.labels.tolist() == [0, 1, 0, 1]
    # a table that came with an archive or a folder names nothing outside of it
    with pytest.raises(DatasetError, match=r"names 4 pictures that are not there: .*0\.png"):
        load_image_set(packed(tmp_path / "lists", "zip"), "test")
    with pytest.raises(DatasetError, match="names 4 pictures that are not there"):
        load_image_set(tmp_path / "lists", "test")


def refusal(data: Path, *fake: str, split: str = "test") -> str:
    """The one sentence with which a set is refused."""
    with pytest.raises(DatasetError) as raised:
        check_image_set(DataPath(str(data), fake), split)  # type: ignore[arg-type]
    said = str(raised.value)
    assert "\n" not in said
    assert said.endswith(".")
    assert str(data) in said
    return said


def test_what_is_in_no_layout_is_told_with_what_was_expected_and_found(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, [*(f"{name}/{n}.png" for name in ("cats", "dogs") for n in range(2)), "loose.png"])
    (folder / "README.md").write_text("…")
    said = refusal(folder)
    assert "in no known layout: expected " in said
    for expected in ("{train,test}/{REAL,FAKE}", "{0_real,1_fake}", "{ai,nature}", "--fake-classes", "metadata.csv"):
        assert expected in said
    assert "found cats/, dogs/ and 1 pictures in no folder and 1 other files (README.md)" in said
    assert "pictures are in no such folder: loose.png" in refusal(folder, "cats")
    (folder / "loose.png").unlink()
    assert "has no class bird, which --fake-classes names; its classes are cats, dogs" in refusal(folder, "bird")
    assert check_image_set(DataPath(str(folder), ["dogs"]), "test") == 4
    (tmp_path / "nothing").mkdir()
    assert refusal(tmp_path / "nothing").endswith("found nothing.")


def test_one_class_and_an_absent_split_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write(folder, [f"{name}/0_real/{n}.png" for name in ("a", "b") for n in range(2)])
    assert (
        "has no FAKE images in its test split; both classes are needed, and there is a/0_real/, b/0_real/"
        in refusal(folder)
    )
    write(folder, ["a/1_fake/0.png"])
    assert "has no train images; its splits: none" in refusal(folder, split="train")
    write(folder, ["c/other/0.png"])
    assert "1 pictures are in no such folder: c/other/0.png; move them" in refusal(folder)


def test_folders_of_both_classes_around_a_picture_are_refused_until_the_fake_ones_are_named(tmp_path: Path) -> None:
    places = [f"{label}/{what}" for label in ("real", "ai") for what in ("nature", "city")]
    write(tmp_path / "set", [f"{place}/{n}.png" for place in places for n in range(2)])
    said = refusal(tmp_path / "set")
    assert "ai/nature/0.png is in a folder that says REAL and in one that says FAKE; name" in said
    assert "--fake-classes" in said
    rows = load_image_set(DataPath(str(tmp_path / "set"), ["ai"]), "test").rows
    assert (rows["label"] == 1).tolist() == [name.startswith("real/") for name in rows["name"]]
    # a folder around all of them tells nothing apart
    write(tmp_path / "wrapped", [f"photos/{label}/{n}.png" for label in ("real", "ai") for n in range(2)])
    rows = load_image_set(tmp_path / "wrapped", "test").rows
    assert (rows["label"] == 1).tolist() == [name.startswith("photos/real/") for name in rows["name"]]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("name,label\n0.png,real\n", "metadata.csv has no column file_name; it has label, name"),
        ("file_name,kind\n0.png,real\n", "has no column label; it has file_name, kind"),
        ("file_name,label\n0.png,0\n1.png,1\n", "the classes 0, 1, and 0, 1 does not say whether it is REAL or FAKE"),
        ("file_name,label\n0.png,real\n1.png,\n", "has 1 row that has no label; give every row one, or take it out"),
        ("file_name,label\n0.png,real\nx/9.png,fake\n", "names 1 pictures that are not there: x/9.png"),
        ("file_name,label\n0.png,real\n../../etc/passwd,fake\n", "names 1 pictures that are not there"),
        ("file_name,label,split\n0.png,real,later\n1.png,fake,test\n", "has the splits later; expected test, testing"),
        ("file_name,label\n0.png,\xff", "is no table of UTF-8 text"),
        ("", "has no column file_name"),
    ],
)
def test_a_wrong_table_is_told(tmp_path: Path, table: str, said: str) -> None:
    write(tmp_path / "set", ["0.png", "1.png"])
    (tmp_path / "set" / "metadata.csv").write_bytes(table.encode("latin-1"))
    assert said in refusal(tmp_path / "set")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_that_lists_no_pictures_may_be_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    write(tmp_path / "set", [f"{name}/0.png" for name in ("real", "fake")])
    stray = tmp_path / "set" / "notes.csv"
    stray.write_bytes("prénom,note\nZoé,éte\n".encode(encoding))
    assert len(load_image_set(tmp_path / "set", "test")) == 2
    assert "notes.csv is no table of UTF-8 text" in refusal(stray)


def test_a_wrong_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    file = tmp_path / "set" / "a.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    assert "a.parquet is no parquet file that can be read" in refusal(tmp_path / "set")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"caption": ["a"], "label": [0]}), file)
    assert "has no column image with bytes; it has caption, label" in refusal(tmp_path / "set")
    pq.write_table(pa.table({"image": [b"a"], "text": ["b"]}), file)
    assert "has no column label; it has image, text" in refusal(tmp_path / "set")
    os.mkfifo(tmp_path / "pipe.parquet")
    assert "it is no regular file" in refusal(tmp_path / "pipe.parquet")


def test_a_row_group_of_too_many_rows_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the first group has four
    made.parquet(tmp_path / "set")
    monkeypatch.setattr("core.images.layouts.parquet.MAX_ROWS", 3)
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.iter_batches", None)
    assert "has a row group of more than 3 rows; write it with smaller ones" in refusal(tmp_path / "set", "ai")


def test_a_table_whose_equal_rows_unpack_to_far_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "set").mkdir()
    file, labels = tmp_path / "set" / "a.parquet", ["real", "fake"] * 30
    pq.write_table(pa.table({"image": [picture(0)] * 60, "label": labels, "split": ["test"] * 60}), file)
    with monkeypatch.context() as patch:
        # once in the file, sixty times in memory
        patch.setattr("core.images.layouts.parquet.MAX_GROUP", 40 * len(picture(0)))
        with pytest.raises(DatasetError, match="unpacks to more than 2 GB"):
            load_image_set(tmp_path / "set", "test")
    assert len(load_image_set(tmp_path / "set", "test")) == 60
    pq.write_table(pa.table({"image": [picture(0)] * 2, "label": ["real" * 2000, "fake"], "split": ["test"] * 2}), file)
    assert "has a label, source, split or path of over 4096 characters" in refusal(tmp_path / "set")


def test_a_wrong_tar_is_told(tmp_path: Path) -> None:
    made.genimage(tmp_path / "set")
    whole_tar = packed(tmp_path / "set", "tar.gz")
    content = whole_tar.read_bytes()
    whole_tar.write_bytes(content[: len(content) // 2])
    assert "is not a whole .tar file" in refusal(whole_tar)
    back = tarfile.TarInfo("a/real/0.png")
    back.size = -512
    # behind its first member, so that whoever follows the size comes back to it for ever
    whole_tar = packed(tmp_path / "set", "tar")
    whole_tar.write_bytes(whole_tar.read_bytes()[:1024] + back.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert "is not a whole .tar file" in refusal(whole_tar)
    (tmp_path / "odd.tar").write_bytes(b"no archive " * 200)
    assert "is not a whole .tar file" in refusal(tmp_path / "odd.tar")


def test_a_damaged_table_in_a_zip_is_told(tmp_path: Path) -> None:
    made.metadata_csv(tmp_path / "set")
    whole_zip = packed(tmp_path / "set", "zip")
    content = bytearray(whole_zip.read_bytes())
    with zipfile.ZipFile(whole_zip) as archive:
        info = next(info for info in archive.infolist() if info.filename.endswith("metadata.csv"))
    # behind the member's own header and name
    content[info.header_offset + 30 + len(info.filename) + 4] ^= 0xFF
    whole_zip.write_bytes(content)
    assert "metadata.csv cannot be read (" in refusal(whole_zip)


def test_members_of_a_tar_lead_nowhere(tmp_path: Path) -> None:
    made.generator_label(tmp_path / "set")
    path = packed(tmp_path / "set", "tar")
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(99))
    with tarfile.open(path, "a") as archive:
        for name, kind in (("a/real/link.png", tarfile.SYMTYPE), ("a/real/hard.png", tarfile.LNKTYPE),
                           ("a/real/pipe.png", tarfile.FIFOTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        for name in ("../a/real/up.png", "/a/real/root.png", "a/real/.hidden.png", "a/./real/x.png"):
            info = tarfile.TarInfo(name)
            info.size = secret.stat().st_size
            archive.addfile(info, io.BytesIO(secret.read_bytes()))
    assert len(load_image_set(path, "test")) == 8
    # twice the same name: which of them is meant?
    with tarfile.open(path, "a") as archive:
        archive.add(secret, "canon/Real/0.webp.png")
    with pytest.raises(DatasetError, match=r"1 file is .*is in the \.tar more than once"):
        load_image_set(path, "test")
    assert len(load_image_set(path, "test", skip_bad=True)) == 7


def test_a_tar_that_unpacks_without_end_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.images.layouts.files.MOST_ANYWAY", 2**20)
    with tarfile.open(tmp_path / "bomb.tar.xz", "w:xz") as archive:
        for n in range(4):
            info = tarfile.TarInfo(f"a/real/{n}.png")
            info.size = 30_000_000
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    assert "it unpacks to far more than pictures do" in refusal(tmp_path / "bomb.tar.xz")


def test_folders_that_link_in_circles_end(tmp_path: Path) -> None:
    made.genimage(tmp_path / "set")
    (tmp_path / "set" / "ADM" / "again").symlink_to(tmp_path / "set")
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "glide").symlink_to(tmp_path / "set" / "ADM")
    assert check_image_set(tmp_path / "set", "test") == 8
    shutil.rmtree(tmp_path / "set" / "stable_diffusion_v_1_4")
    assert check_image_set(tmp_path / "linked", "test") == 4


def test_folders_that_all_link_to_each_other_end(tmp_path: Path) -> None:
    made.zero_one(tmp_path / "set")
    folders = [tmp_path / "set" / f"{number}" for number in range(10)]
    for folder in folders:
        folder.mkdir()
    for folder in folders:
        for other in folders:
            (folder / f"to-{other.name}").symlink_to(other)
    # along every path it would be ten million
    assert check_image_set(tmp_path / "set", "test") == 12


@pytest.mark.parametrize(
    ("stem", "name"), [("CIFAKE-mine", "mine"), ("a@b:c", "abc"), ("my-training set", "mying set"), ("@", "images")]
)
def test_a_set_is_named_by_its_folder_without_what_would_mislead(tmp_path: Path, stem: str, name: str) -> None:
    made.zero_one(tmp_path / stem)
    assert load_image_set(tmp_path / stem, "test").name == f"{name}-test"


@pytest.mark.parametrize(
    ("stem", "name"),
    [("हिन्दी", "हिन्दी"), ("漢" * 60, "漢" * 20), ("a" + "漢" * 60, "a" + "漢" * 19)],
    ids=["vowel signs", "long", "cut within a letter"],
)
def test_a_name_keeps_the_letters_of_any_script_whole_and_has_sixty_bytes_at_most(
    tmp_path: Path, stem: str, name: str
) -> None:
    made.zero_one(tmp_path / stem)
    assert load_image_set(tmp_path / stem, "test").name == f"{name}-test"


def test_a_set_whose_folder_was_renamed_has_its_new_name(tmp_path: Path) -> None:
    made.zero_one(tmp_path / "before")
    assert load_image_set(tmp_path / "before", "test").name == "before-test"
    (tmp_path / "before").rename(tmp_path / "after")
    assert load_image_set(tmp_path / "after", "test").name == "after-test"


def test_members_of_a_zip_in_any_layout_are_checked(tmp_path: Path) -> None:
    made.zero_one(tmp_path / "set")
    path = packed(tmp_path / "set", "zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("biggan/0_real/0.png", picture(99))
        archive.writestr("biggan/0_real/bomb.png", bytes(50_000_000))
        archive.writestr("../biggan/0_real/away.png", picture(98))
        archive.writestr("__MACOSX/biggan/0_real/._0.png", b"of the system")
        data = zipfile.ZipInfo("biggan/0_real/other.png")
        data.compress_type = zipfile.ZIP_LZMA
        archive.writestr(data, picture(97))
    with pytest.raises(DatasetError, match="3 files are not 16 x 16 images: ") as raised:
        load_image_set(path, "test")
    for said in ("0.png: is in the .zip more than once", "bomb.png: has 50000000 bytes", "is packed in a way"):
        assert said in str(raised.value)
    assert len(load_image_set(path, "test", skip_bad=True)) == 11


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file's name is text")
@pytest.mark.parametrize("kind", ["folder", "tar"])
def test_a_name_that_is_no_text_is_an_offender(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "set"
    made.zero_one(folder)
    write(folder / "biggan" / "0_real", [os.fsdecode(b"\xff.png")], first=50)
    data = packed(folder, kind)
    with pytest.raises(DatasetError, match="1 file is .*has a name that is no text"):
        load_image_set(data, "test")
    assert len(load_image_set(data, "test", skip_bad=True)) == 12


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_table_of_another_system_finds_its_pictures(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    # macOS writes é as two letters in names of files, and Windows has backslashes
    write(folder, ["real/cafe\u0301.png", "fake/b.png"])
    (folder / "metadata.csv").write_text("file_name,label\nreal\\caf\u00e9.png,real\nfake\\b.png,fake\n", "utf-8")
    found = load_image_set(DataPath(str(packed(folder, kind))), "test")
    assert found.rows.set_index("name")["label"].to_dict() == {"fake/b.png": 0, "real/cafe\u0301.png": 1}
