"""Every layout, from a folder and from archives: labels, sources, splits; and the sentence of what is in none."""

import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from core.images.cifake import FINGERPRINTS
from core.images.image_set import DataPath, DatasetError
from core.images.labels import FAKE, LABELS, REAL
from core.images.loading import check_image_set, load_image_set, read_files
from tests.conftest import write_cifake
from tests.core.images import made
from tests.core.images.made import LAYOUTS, SIDE, Truth, packed, picture, write

UNLABELLED = len(LABELS) - 1


def load(data, *fake, split="test"):
    """A set, with these classes stated to be FAKE."""
    return load_image_set(DataPath(str(data), fake), split)


def refusal(data, *fake, split="test"):
    """The one sentence with which a set is refused."""
    with pytest.raises(DatasetError) as raised:
        load(data, *fake, split=split)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize("kind", ["folder", "zip", "tar.gz"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_gives_class_source_and_split_of_each_picture(name, kind, tmp_path):
    make, fake = LAYOUTS[name]
    folder = tmp_path / "photos"
    truths = make(folder)
    # a table that lists no paths lies beside
    (folder / "notes.csv").write_text("key,value\nmade,today\n")
    # named as CIFAKE's are
    cut = (lambda path: path.partition("/")[2]) if name == "real_fake" else str
    expected = {f"{truth.split} {cut(path)}": truth for path, truth in truths.items()}
    found = {}
    for split in {truth.split for truth in truths.values()}:
        images = load(packed(folder, kind), *fake, split=split)
        assert images.name == f"photos-{split}"
        assert images.side == SIDE
        for row, pixels in zip(images.rows.to_dict("records"), images.pixels, strict=True):
            source, category = (
                row.get(key) if isinstance(row.get(key), str) else None for key in ("source", "category")
            )
            found[f"{split} {row['name']}"] = Truth(("FAKE", "REAL")[row["label"]], source, category, split)
            if name != "parquet":
                content = folder.joinpath(*([split] if name == "real_fake" else []), row["name"]).read_bytes()
                assert row["sha256"] == hashlib.sha256(content).hexdigest()
                assert_array_equal(pixels, np.asarray(Image.open(io.BytesIO(content))))
    assert found == expected


def test_pictures_of_a_table_of_bytes_are_its_own(tmp_path):
    made.parquet(tmp_path / "set")
    names = [f"data/train-00000-of-00001.parquet/{n:07d}.png" for n in (5, 0, 4, 0)]
    data = DataPath(str(tmp_path / "set"), ("ai",))
    assert list(read_files(data, "train", names)) == [picture(n) for n in (5, 0, 4, 0)]


@pytest.mark.parametrize(
    "folder, sources",
    [("my data/v1/images", None), ("Images", None), ("my data/biggan", ["biggan"] * 2)],
)
def test_a_folder_of_images_is_no_generator(tmp_path, folder, sources):
    write(tmp_path / "set", [f"{folder}/natural/a.png", f"{folder}/generated/b.png"])
    rows = load(packed(tmp_path / "set", "zip")).rows
    assert (rows["source"].tolist() if "source" in rows else None) == sources


def test_folders_below_the_classes_are_categories(tmp_path):
    # some of the pictures lie where CIFAKE's do
    write(tmp_path, [f"test/{label}/{place}a.png" for label in ("REAL", "FAKE") for place in ("", "cat/")])
    assert load(tmp_path).rows["category"].fillna("").value_counts().to_dict() == {"cat": 2, "": 2}


def test_folders_of_both_classes_around_a_picture_are_refused_until_the_fake_ones_are_named(tmp_path):
    places = [f"{label}/{what}" for label in ("real", "ai") for what in ("nature", "city")]
    write(tmp_path / "set", [f"{place}/{n}.png" for place in places for n in range(2)])
    assert "is in a folder that says REAL and in one that says FAKE; name" in refusal(tmp_path / "set")
    rows = load(tmp_path / "set", "ai").rows
    assert (rows["label"] == 1).tolist() == [name.startswith("real/") for name in rows["name"]]
    # a folder around all of them distinguishes nothing
    write(tmp_path / "wrapped", [f"photos/{label}/{n}.png" for label in ("real", "ai") for n in range(2)])
    rows = load(tmp_path / "wrapped").rows
    assert (rows["label"] == 1).tolist() == [name.startswith("photos/real/") for name in rows["name"]]


def test_a_table_of_paths_may_be_named_itself_and_name_files_elsewhere(tmp_path):
    write(tmp_path / "away", [f"{n}.png" for n in range(4)])
    lines = [f"{tmp_path / 'away' / f'{n}.png'},{('ai', 'photo')[n % 2]}" for n in range(4)]
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "mine.csv"
    table.write_text("image_path,class\n" + "\n".join(lines))
    images = load(table)
    assert images.name == "mine-test"
    assert images.labels.tolist() == [0, 1, 0, 1]
    # a table that came with an archive or a folder names nothing outside of it
    for data in (packed(tmp_path / "lists", "zip"), tmp_path / "lists"):
        assert "names 4 pictures that are not there: " in refusal(data)


def test_what_is_in_no_layout_is_named_with_what_was_expected_and_found(tmp_path):
    folder = tmp_path / "set"
    (folder / "cats").mkdir(parents=True)
    (folder / "README.md").write_text("…")
    (folder / "cats/notes.txt").write_text("…")
    sentence = refusal(folder)
    assert "expected a metadata.csv" in sentence
    assert "found README.md, cats/." in sentence
    write(folder, [*(f"{name}/{n}.png" for name in ("cats", "dogs") for n in range(2)), "loose.png"])
    assert "pictures are in no such folder: loose.png" in refusal(folder, "cats")
    (folder / "loose.png").unlink()
    assert "has no class bird, which --fake-classes names; its classes are cats, dogs" in refusal(folder, "bird")
    assert check_image_set(DataPath(str(folder), ["dogs"]), "test") == 4
    write(tmp_path / "one", [*(f"{name}/0_real/{n}.png" for name in ("a", "b") for n in range(2)), "a/1_fake/0.png"])
    assert "in its train split" in refusal(tmp_path / "one", split="train")
    write(tmp_path / "one", ["c/other/0.png"])
    assert "1 pictures are in no such folder: c/other/0.png; move them" in refusal(tmp_path / "one")


@pytest.mark.parametrize(
    "table, sentence",
    [
        ("name,label\n0.png,real\n", "metadata.csv has no column path or file_name; it has label, name"),
        ("file_name,label\n0.png,0\n1.png,1\n", "the classes 0, 1, and 0, 1 does not say whether it is REAL or FAKE"),
        ("file_name,label\n0.png,real\n1.png,\n", "has no label in 1 of its rows"),
        ("file_name,label\n0.png,real\n../../etc/passwd,fake\n", "names 1 pictures that are not there"),
        ("file_name,label,split\n0.png,real,later\n1.png,fake,test\n", "has the splits later; expected test, testing"),
        ("file_name,label\n0.png,\xff", "is no table of UTF-8 text"),
    ],
)
def test_a_wrong_table_is_a_sentence(tmp_path, table, sentence):
    write(tmp_path / "set", ["0.png", "1.png"])
    (tmp_path / "set" / "metadata.csv").write_bytes(table.encode("latin-1"))
    assert sentence in refusal(tmp_path / "set")
    # one that lists no pictures may be anything
    (tmp_path / "set" / "metadata.csv").rename(tmp_path / "notes.csv")
    write(tmp_path / "other", [f"{name}/0.png" for name in ("real", "fake")])
    (tmp_path / "other" / "notes.csv").write_bytes("prénom,note\n".encode("utf-16"))
    assert check_image_set(tmp_path / "other", "test") == 2


@pytest.mark.parametrize(
    "columns, limits, sentence",
    [
        (None, {}, "a.parquet is no parquet file that can be read"),
        ({"caption": ["a"], "label": [0]}, {}, "has no column image with bytes; it has caption, label"),
        ({"image": [b"a"] * 4, "label": ["real"] * 4}, {"MAX_ROWS": 3}, "a row group of more than 3 rows"),
        ({"image": [b"a"] * 2, "label": ["real" * 2000, "fake"]}, {}, "label, source, split or path of over 4096"),
        # once in the file, sixty times in memory
        (
            {"image": [picture(0)] * 60, "label": ["real", "fake"] * 30},
            {"MAX_GROUP": 40 * len(picture(0))},
            "unpacks to more than 2 GB",
        ),
    ],
)
def test_a_wrong_parquet_is_a_sentence(tmp_path, columns, limits, sentence, monkeypatch):
    file = tmp_path / "a.parquet"
    file.write_bytes(b"PAR1 and nothing else")
    if columns:
        pq.write_table(pa.table(columns), file)
    for name, limit in limits.items():
        monkeypatch.setattr(f"core.images.tables.{name}", limit)
    assert sentence in refusal(file)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
def test_cifake_is_the_same_set_in_an_archive_and_a_damaged_one_is_a_sentence(tmp_path, kind, monkeypatch):
    folder = write_cifake(tmp_path / "made", train=4, test=6)
    expected = load(folder)
    # its look alone makes no set CIFAKE
    assert expected.name == "made-test"
    monkeypatch.setitem(FINGERPRINTS, "test", expected.fingerprint)
    (folder / "preview.png").write_bytes(picture(0))
    found = load(path := packed(folder, kind, prefix="cifake/"))
    assert (found.name, found.fingerprint) == ("cifake-test", expected.fingerprint)
    order = np.argsort(found.rows["name"].to_numpy())
    assert found.rows.iloc[order].reset_index(drop=True).equals(expected.rows)
    assert_array_equal(found.pixels[order], expected.pixels)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert f"is not a {'.zip file' if kind == 'zip' else 'whole .tar file'}" in refusal(path)


def test_a_tar_that_unpacks_to_far_more_than_pictures_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("core.images.files.MOST_ANYWAY", 2**20)
    with tarfile.open(tmp_path / "bomb.tar.xz", "w:xz") as archive:
        for n in range(3):
            info = tarfile.TarInfo(f"a/real/{n}.png")
            info.size = 30_000_000
            archive.addfile(info, io.BytesIO(bytes(info.size)))
    assert "it unpacks to far more than pictures do" in refusal(tmp_path / "bomb.tar.xz")


def test_a_table_of_lines_may_have_backslashes_and_letters_of_two_parts(tmp_path):
    write(tmp_path / "set", ["real/cafe\u0301.png", "fake/b.png"])
    lines = [
        {"file_name": "real\\caf\u00e9.png", "label": "real", "text": "a\u2028b\x85c"},
        {"file_name": "fake\\b.png", "label": "fake", "source": "dcgan"},
    ]
    text = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    (tmp_path / "set" / "metadata.jsonl").write_text(text, encoding="utf-8", newline="")
    rows = load(packed(tmp_path / "set", "zip")).rows
    assert rows.set_index("name")["label"].to_dict() == {"fake/b.png": 0, "real/cafe\u0301.png": 1}


def test_folders_that_link_to_each_other_are_read_once(tmp_path):
    made.genimage(tmp_path / "set")
    (tmp_path / "set" / "ADM" / "again").symlink_to(tmp_path / "set")
    assert check_image_set(tmp_path / "set", "test") == 8


def test_members_of_a_tar_lead_nowhere(tmp_path):
    made.generator_label(tmp_path / "set")
    path = packed(tmp_path / "set", "tar")
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(99))
    with tarfile.open(path, "a") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(f"a/real/{name}.png")
            info.type, info.linkname = kind, str(secret)
            archive.addfile(info)
        for name in ("../a/real/up.png", "/a/real/root.png", "a/real/.hidden.png", "a/./real/x.png"):
            info = tarfile.TarInfo(name)
            info.size = secret.stat().st_size
            archive.addfile(info, io.BytesIO(secret.read_bytes()))
    assert len(load(path)) == 8


def test_two_members_of_a_name_are_refused(tmp_path):
    write(tmp_path, ["a.png"])
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for _ in range(2):
            tar.add(tmp_path / "a.png", "a.png")
    assert "holds a.png more than once" in refusal(tmp_path / "twice.tar")


def test_a_long_text_that_repeats_takes_no_memory(tmp_path):
    label = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), ["x" * 10_000_000])
    pq.write_table(pa.table({"image": [b"a"] * 2000, "label": label}), tmp_path / "a.parquet")
    pa.default_memory_pool().release_unused()
    before = pa.default_memory_pool().max_memory()
    assert "over 4096" in refusal(tmp_path / "a.parquet")
    # written out it would be 20 GB
    assert pa.default_memory_pool().max_memory() - before < 2**28


def test_members_of_a_zip_are_checked(tmp_path):
    made.zero_one(tmp_path / "set")
    path = packed(tmp_path / "set", "zip")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("biggan/0_real/bomb.png", bytes(70_000_000))
        archive.writestr("../biggan/0_real/away.png", picture(98))
        archive.writestr("__MACOSX/biggan/0_real/._0.png", b"of the system")
        data = zipfile.ZipInfo("biggan/0_real/other.png")
        data.compress_type = zipfile.ZIP_LZMA
        archive.writestr(data, picture(97))
    sentence = refusal(path)
    for part in ("2 of the files cannot be used", "bomb.png: has 70000000", "is packed in a way"):
        assert part in sentence
    assert len(load_image_set(path, "test", skip_bad=True)) == 12


def test_pictures_without_labels_are_a_set_that_nothing_is_learned_from(tmp_path):
    write(tmp_path / "set", ["own/cats/0.png", "own/dogs/a/1.png", "own/2.png"])
    (tmp_path / "set/list.csv").write_text("IMAGE,caption\nown/2.png,x\n")
    assert load(tmp_path / "set/list.csv").labels.tolist() == [UNLABELLED]
    (tmp_path / "set/list.csv").unlink()
    images = load(tmp_path / "set")
    assert images.labels.tolist() == [UNLABELLED] * 3
    rows = images.rows.set_index("name")[["source", "category"]].fillna("").to_dict("index")
    assert rows["own/cats/0.png"] == {"source": "cats", "category": ""}
    assert rows["own/dogs/a/1.png"] == {"source": "dogs", "category": "a"}
    with pytest.raises(DatasetError, match="no FAKE and no REAL images, and both classes are needed"):
        images.needing_both()


@pytest.mark.parametrize(
    "columns, values, fake",
    [
        ("filename,is_fake", ("0", "1"), ()), ("image,is_fake", ("False", "true"), ()),
        (" file_path , is_real ", ("yes", "no"), ()), ("image,target", ("0", "1"), ("1",)),
        ("filepath,y", ("1", "0"), ("0",)), ("img,ground_truth", ("real", "fake"), ()),
    ],
)  # fmt: skip
def test_columns_of_a_table_have_their_usual_names(tmp_path, columns, values, fake):
    write(tmp_path, ["0.png", "1.png"])
    (tmp_path / "list.csv").write_text(f"{columns}\n0.png,{values[0]}\n1.png,{values[1]}\n")
    assert load(tmp_path / "list.csv", *fake).labels.tolist() == [REAL, FAKE]
    pictures = [picture(number) for number in range(2)]
    pq.write_table(pa.table({"image": pictures, columns.split(",")[1]: list(values)}), tmp_path / "list.parquet")
    assert load(tmp_path / "list.parquet", *fake).labels.tolist() == [REAL, FAKE]
