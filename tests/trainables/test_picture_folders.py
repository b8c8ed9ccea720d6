"""What a folder of pictures holds: for random trees, counts and labels are what the tree says, or there is a message."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ganstudy import UserError
from trainables.data import Source, load
from trainables.data.picture_layout import arrange
from trainables.picture_files import find
from trainables.sections import DataConfig

LEVELS = (40, 90, 140, 190, 240)  # of the grey pictures of each class
KINDS = [  # (mode, extension) of which Pillow writes files that keep a grey level, but for compression
    ("RGB", ".png"),
    ("RGB", ".JPG"),
    ("RGB", ".jfif"),
    ("RGB", ".ppm"),
    ("RGB", ".bmp"),
    ("RGB", ".tga"),
    ("L", ".png"),
    ("L", ".pgm"),
    ("LA", ".png"),
    ("P", ".gif"),
    ("RGBA", ".webp"),
    ("CMYK", ".tiff"),
]
CLASSES = ["cat", "Dog", "été", "猫", "a b", "0", "10", "x" * 200, "train station"]


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def picture(path: Path, level: int = 128, kind: tuple[str, str] = ("RGB", ".png"), size: tuple[int, int] = (9, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mode, extension = kind
    Image.new("RGB", size, (level, level, level)).convert(mode).save(path.with_name(path.name + extension))


def read(root: Path) -> Source:
    return load(DataConfig(name="image_folder", root=str(root), resolution=8))


def said(source: Source, start: str) -> str:
    (note,) = [note for note in source.notes if note.startswith(start)]
    return note


NOISE = {  # what is left out: how it is made, and the words that say so
    "hidden": (lambda at: (at / ".DS_Store").write_text("x"), "hidden 1"),
    "resource forks": (lambda at: picture(at / "__MACOSX" / "x"), "folders of an operating system 1"),
    "thumbnails": (lambda at: (at / "Thumbs.db").write_text("x"), ".db 1"),
    "notes": (lambda at: (at / "README").write_text("x"), "without an extension 1"),
    "no target": (lambda at: (at / "gone.png").symlink_to(at / "nowhere.png"), "links to nothing 1"),
    "own target": (lambda at: (at / "round.png").symlink_to(at / "round.png"), "links to nothing 1"),
    "loop": (lambda at: (at / "loop").symlink_to(at), "holds the link 1"),
    "above": (lambda at: (at / "above").symlink_to(at.parent), "holds the link 1"),
    "pipe": (lambda at: os.mkfifo(at / "pipe.png"), "pipes, sockets and devices 1"),
}


@dataclass(frozen=True)
class Tree:
    """A folder of pictures, and what it must be read as."""

    classes: list[str]  # one: no class folders
    sizes: list[int]  # pictures of each class
    kinds: list[tuple[str, str]]
    part: str  # name of the folder of training pictures; "": no parts
    held: str  # name of the folder of held-out pictures
    deep: bool  # pictures lie two folders below their class
    linked: bool  # the first class folder is a link
    strays: int  # pictures beside the class folders
    noise: list[str]

    def make(self, root: Path, elsewhere: Path) -> None:
        for part in [self.part, self.held] if self.part else [""]:
            for k, (name, n) in enumerate(zip(self.classes, self.sizes, strict=True)):
                folder = root / part / name if len(self.classes) > 1 else root / part
                if self.linked and len(self.classes) > 1 and k == 0:
                    real = elsewhere / (part or "all")
                    real.mkdir(parents=True)
                    folder.parent.mkdir(parents=True, exist_ok=True)
                    folder.symlink_to(real)
                for i in range(n):
                    inner = folder / "a" / "b" if self.deep and len(self.classes) > 1 else folder
                    picture(inner / f"ü{i}", LEVELS[k], self.kinds[i % len(self.kinds)])
            if len(self.classes) > 1:
                for i in range(self.strays):
                    picture(root / part / f"stray{i}")
        for name in self.noise:
            NOISE[name][0](root)  # type: ignore[no-untyped-call]


trees = st.builds(
    Tree,
    classes=st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True),
    sizes=st.lists(st.integers(7, 12), min_size=4, max_size=4),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
    part=st.sampled_from(["", "", "train", "Training"]),
    held=st.sampled_from(["test", "VAL", "validation"]),
    deep=st.booleans(),
    linked=st.booleans(),
    strays=st.integers(0, 3),
    noise=st.lists(st.sampled_from(list(NOISE)), max_size=4, unique=True),
).map(lambda tree: Tree(**{**vars(tree), "sizes": tree.sizes[: len(tree.classes)]}))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees)
def test_a_tree_is_read_as_what_it_says_or_refused(tree: Tree) -> None:
    with TemporaryDirectory() as made:
        root = Path(made) / "root"
        root.mkdir()
        tree.make(root, Path(made) / "elsewhere")
        n = sum(tree.sizes) * (2 if tree.part else 1)
        if n < 20:
            with pytest.raises(UserError, match=f"needs at least 20 pictures.* holds {n} "):
                read(root)
            return
        source = read(root)
        assert len(source.train) + len(source.heldout) == n
        assert said(source, "pictures:").startswith(f"pictures: {n} taken from ")
        if tree.part:
            assert len(source.train) == len(source.heldout)
        if len(tree.classes) == 1:
            assert source.train_labels is None
            assert "labels: none, since the pictures are in no sub-folders" in source.notes
        else:
            assert source.classes == tuple(sorted(tree.classes))
            assert source.train_labels is not None
            assert source.heldout_labels is not None
            levels = {source.classes.index(name): LEVELS[k] for k, name in enumerate(tree.classes)}
            for rows, labels in ((source.train, source.train_labels), (source.heldout, source.heldout_labels)):
                expected = np.array([levels[int(label)] for label in labels])
                assert np.abs(rows.mean(axis=(1, 2, 3)) - expected).max() < 10
            counts = Counter({name: size * (2 if tree.part else 1) for name, size in zip(tree.classes, tree.sizes, strict=True)})
            assert said(source, "labels:") == "labels: the sub-folders " + ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
        out = said(source, "left out:")
        for name in tree.noise:
            words = NOISE[name][1]
            same = sum(NOISE[other][1] == words for other in tree.noise)
            assert words[:-1] + str(same) in out
        if tree.strays and len(tree.classes) > 1:
            assert f"pictures beside the class folders {tree.strays * (2 if tree.part else 1)}" in out
        if out == "left out: nothing":
            assert not tree.noise
            assert not tree.strays or len(tree.classes) == 1


names = st.sampled_from(["a", "b", "train", "test", "val", "c.png", "d.JPEG", ".e", "__MACOSX", "f.txt", "g"])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    entries=st.lists(st.tuples(st.lists(names, min_size=1, max_size=4), st.sampled_from(["file", "folder", "link"]), names), max_size=25)
)
def test_any_tree_gives_each_picture_once_or_a_message(entries: list[tuple[list[str], str, str]]) -> None:
    """The files taken are those that a walk with links finds outside of hidden folders, each once, under its own name where it has one."""
    with TemporaryDirectory() as made:
        root = Path(made) / "root"
        root.mkdir()
        for parts, kind, target in entries:
            path = root.joinpath(*parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                if kind == "file":
                    path.touch(exist_ok=False)
                elif kind == "folder":
                    path.mkdir()
                else:
                    path.symlink_to(root / target)
            except OSError:  # it is there already, or below a file or a loop
                continue
        files = find(root)
        real = [os.path.realpath(root / name) for name in files.names]
        assert len(set(real)) == len(real)
        assert files.names == sorted(files.names)
        skipped = (".", "__MACOSX")
        for folder, below, here in os.walk(root):
            below[:] = [name for name in below if not name.startswith(skipped)]
            for name in here:
                path = Path(folder, name)
                if path.suffix.lower() in (".png", ".jpeg") and path.is_file() and not name.startswith(skipped):
                    assert os.path.realpath(path) in real
                    if not path.is_symlink():
                        assert path.relative_to(root).as_posix() in files.names
        if files.names:
            try:
                layout = arrange(files)
            except UserError:
                return
            assert not set(layout.train) & set(layout.heldout)
            assert {*layout.train, *layout.heldout} <= set(files.names)


def test_a_linked_class_folder_keeps_its_pictures_and_labels(tmp_path: Path) -> None:
    for k, name in enumerate(("root/cat", "store/dog")):
        for i in range(12):
            picture(tmp_path / name / str(i), LEVELS[k])
    (tmp_path / "root" / "dog").symlink_to(tmp_path / "store" / "dog")
    picture(tmp_path / "root" / "cat" / "more", LEVELS[0])
    (tmp_path / "root" / "cat" / "again.png").symlink_to(tmp_path / "root" / "cat" / "more.png")
    (tmp_path / "root" / "copy").symlink_to(tmp_path / "root" / "cat")
    source = read(tmp_path / "root")
    assert "labels: the sub-folders cat 13, dog 12" in source.notes
    assert (
        said(source, "left out:")
        == "left out: links to a folder that is searched anyway or holds the link 1, links to a picture that is taken anyway 1"
    )
    assert "sub-folders without pictures: copy" in source.notes


def test_many_links_between_folders_do_not_multiply_the_search(tmp_path: Path) -> None:
    """Without a memory of folders, the paths through twelve folders that link to each other are half a billion."""
    for name in "abcdefghijkl":
        picture(tmp_path / name / "x")
    for name in "abcdefghijkl":
        for other in "abcdefghijkl":
            if other != name:
                (tmp_path / name / other).symlink_to(tmp_path / other)
    files = find(tmp_path)
    assert files.names == [f"{name}/x.png" for name in "abcdefghijkl"]
    assert files.left_out.total() == 12 * 11


def test_test_is_held_out_and_val_is_not_used(tmp_path: Path) -> None:
    for part, n in (("train", 10), ("test", 8), ("val", 6)):
        for k, name in enumerate(("cat", "dog")):
            for i in range(n):
                picture(tmp_path / part / name / f"{part}{i}", LEVELS[k])
    picture(tmp_path / "cover")
    source = read(tmp_path)
    assert (len(source.train), len(source.heldout), source.classes) == (20, 16, ("cat", "dog"))
    assert said(source, "left out:") == "left out: pictures beside the parts 1, pictures of validation, which is not used, 12"
    assert "held out: the 16 pictures of test" in source.notes


def test_a_part_alone_is_searched_for_classes(tmp_path: Path) -> None:
    for k, name in enumerate(("cat", "dog")):
        for i in range(20):
            picture(tmp_path / "train" / name / str(i), LEVELS[k])
    source = read(tmp_path)
    assert (len(source.train), len(source.heldout), source.classes) == (34, 6, ("cat", "dog"))
    assert "held out: 6 pictures drawn at random, of each class in proportion" in source.notes


@pytest.mark.parametrize(
    ("test", "only"), [(["cat"], "dog is in train only"), (["cat", "dog", "eel"], "eel is in test only"), ([""], "cat is in train only")]
)
def test_parts_with_other_classes_are_refused(tmp_path: Path, test: list[str], only: str) -> None:
    for part, names in (("train", ["cat", "dog"]), ("test", test)):
        for name in names:
            for i in range(10):
                picture(tmp_path / part / name / str(i))
    with pytest.raises(UserError, match=f"train and test in .* must have the same class folders; {only}"):
        read(tmp_path)


def test_few_strays_keep_the_labels_and_many_drop_them_with_the_reason(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for i in range(12):
            picture(tmp_path / name / str(i))
    for i in range(24):
        assert read(tmp_path).classes == ("cat", "dog")
        picture(tmp_path / f"stray{i}")
    source = read(tmp_path)
    assert (len(source.train) + len(source.heldout), source.classes) == (48, ())
    assert "labels: none, since 24 pictures are beside the sub-folders and 24 in them" in source.notes
    with pytest.raises(UserError, match="image_folder has no labels, since 24 pictures are beside"):
        load(DataConfig(name="image_folder", root=str(tmp_path), resolution=8, classes="cat"))


def test_one_sub_folder_is_no_class(tmp_path: Path) -> None:
    for i in range(20):
        picture(tmp_path / "photos" / ("cat" if i % 2 else "dog") / str(i))
    assert read(tmp_path).classes == ()
    assert "there is only one sub-folder, photos; if the folders in it are classes, set data.root to it" in said(read(tmp_path), "labels:")
    assert read(tmp_path / "photos").classes == ("cat", "dog")


def test_a_folder_that_cannot_be_read_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(20):
        picture(tmp_path / str(i))
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: str) -> object:  # the tests may run as root, who can read everything
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert find(tmp_path).left_out == {"folders that cannot be read": 1}


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    for i in range(20):
        picture(Path(os.fsdecode(os.fsencode(tmp_path) + f"/{i}-".encode() + b"\xff")))
    assert said(read(tmp_path), "pictures:").startswith("pictures: 20 ")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad-\xff.png")).write_bytes(b"")
    with pytest.raises(UserError) as error:
        read(tmp_path)
    str(error.value).encode()  # it can be printed
    classes = tmp_path / "classes"
    for folder in (b"/one", b"/two-\xff"):
        for i in range(12):
            picture(Path(os.fsdecode(os.fsencode(classes) + folder)) / str(i))
    with pytest.raises(UserError, match=r"the name of a class folder must be UTF-8; two-\\udcff in .* is not. Rename it"):
        read(classes)


def test_a_home_that_does_not_exist_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"data.root must be a folder of pictures; ~nobody-of-this-name/x does not exist. If .* --set data.root=PATH"
    ):
        read(Path("~nobody-of-this-name/x"))


def test_a_class_too_small_to_hold_out_is_named(tmp_path: Path) -> None:
    for i in range(30):
        picture(tmp_path / ("cat" if i else "dog") / str(i))
    assert "classes without a held-out picture: dog" in read(tmp_path).notes
