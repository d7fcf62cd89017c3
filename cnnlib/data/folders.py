"""A folder of pictures as people have them: which folders are its splits and its classes, and what is left out."""

import os
from collections import Counter
from pathlib import Path

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")       # torchvision's
TRAINING, TESTING = ("train", "training"), ("test", "testing", "val", "valid", "validation")     # the first wins


def splits(folder):
    """(the folder whose folders are the classes, the same for testing or None); says so where it had to look."""
    folder, given = _unwrapped(folder), folder
    inside, _ = _inside(folder)
    nested = {path.name.lower(): path for path in inside if _only_folders(path)}
    train, test = (next((nested[name] for name in names if name in nested), None) for names in (TRAINING, TESTING))
    others = [path.name for path in inside if path not in (train, test)]
    if not train or not (test or all(name.lower() in TESTING for name in others)):
        if folder != given:
            print(f"{given}: the classes are the folders in {folder}.")
        return folder, None
    if (folder, train.name, test and test.name, others) != (given, "train", "test", []):
        print(f"{folder}: {train.name} is for training" + (f", {test.name} for testing" if test else "")
              + (f"; left out: {', '.join(others)}." if others else "."))
    return _unwrapped(train), test and _unwrapped(test)


def classes(folder):
    """{class: paths of its pictures} of a folder that has one folder a class; says which files are left out.

    Raises:
        ValueError: no classes, or one without pictures of its own, with what would help.
    """
    inside, files = _inside(folder)
    found = {place.name: _pictures(place) for place in inside}
    if not any(paths for paths, _ in found.values()):
        raise ValueError(f"{folder} is not a folder of classes with pictures in them. Make one folder a class, such as "
                         f"{folder / 'cat'} and {folder / 'dog'}, of files that end in {', '.join(ENDINGS)}.")
    for place in inside:
        paths, kinds = found[place.name]
        if not paths:
            raise ValueError(f"{place} has no pictures ({_listed(kinds) or 'it is empty'}). Fill it with files that "
                             f"end in {', '.join(ENDINGS)}, or remove it.")
        if _only_folders(place):
            raise ValueError(f"{place} holds only folders, allowed: pictures of one class. If those folders are the "
                             f"classes, give {place} as the folder of pictures.")
    if loose := sum(map(_is_picture, files)):
        print(f"{folder}: {loose:,} pictures in no class left out.")
    if others := sum((kinds for _, kinds in found.values()), Counter()):
        print(f"{folder}: {sum(others.values()):,} files of other kinds left out: {_listed(others)}.")
    return {name: paths for name, (paths, _) in found.items()}


def _pictures(folder):
    """(its pictures and those of the folders in it, in torchvision's order; how many files of each other kind)."""
    def stop(error):
        raise error

    paths, others = [], Counter()
    for place, folders, files in os.walk(folder, onerror=stop):         # follows no link: none leads in a circle
        folders[:] = filter(_is_visible, folders)
        others["links to folders"] += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        for name in filter(_is_visible, files):
            if _is_picture(name):
                paths.append(os.path.join(place, name))
            else:
                others[os.path.splitext(name)[1].lower() or "without an ending"] += 1
    return sorted(paths, key=os.path.split), +others


def _inside(folder):
    """(its folders, the names of its files), without what is hidden and without links to a folder around it."""
    around = {folder.resolve(), *folder.resolve().parents}
    with os.scandir(folder) as entries:
        entries = sorted(filter(lambda entry: _is_visible(entry.name), entries), key=lambda entry: entry.name)
    folders = [Path(entry.path) for entry in entries if entry.is_dir()]
    return [path for path in folders if path.resolve() not in around], [e.name for e in entries if not e.is_dir()]


def _is_visible(name):
    """Whether it is none of what systems and archives hide among pictures: .git, ._001.jpg, __MACOSX."""
    return not name.startswith(".") and name != "__MACOSX"


def _is_picture(name):
    return name.lower().endswith(ENDINGS)


def _only_folders(folder):
    """Whether there are folders in it and no pictures beside them."""
    folders, files = _inside(folder)
    return bool(folders) and not any(map(_is_picture, files))


def _unwrapped(folder):
    """The folder itself, or, where all it has is one folder of folders, that one, and so on."""
    while _only_folders(folder) and len(inside := _inside(folder)[0]) == 1 and _only_folders(inside[0]):
        folder = inside[0]
    return folder


def _listed(kinds):
    return ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common())
