"""What is done once for many image files: small ones are decoded into a single file with all pixels, photos opened.

What is kept of it is read as long as nothing has changed. It lies beside the folder of images, or in ~/.cache/cnnlib
where that is not writable. The environment variable CNNLIB_CACHE names another folder, or switches it off ("off").
"""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from ..files import save_tensors, save_text


def decoded(folder, paths, size=None):
    """Decode `paths`, files under `folder`, all to one size.

    Args:
        size: the shorter side becomes `size` pixels and the centre is cut out; None leaves the images as they are.

    Returns:
        (images, sha256): uint8 (N, 3, H, W) in the order of `paths`, and the checksum of these bytes.

    Raises:
        ValueError: a file cannot be read as a picture, or has another size than the first.
    """
    from PIL import __version__

    names = _kept(folder, f"decoded{'' if size is None else f'-{size}'}.safetensors")
    source = names and json.dumps({"files": files_sha256(folder, paths), "size": size, "pillow": __version__})
    for name in names:
        if found := _read(name, source):
            return found
    images = pixels_of(paths, size)
    digest = _sha256(images)
    _write(names, lambda name: save_tensors(name, {"images": images}, {"source": source, "sha256": digest}))
    return images, digest


def files_sha256(folder, paths):
    """Checksum of the names and contents of files under `folder`; their times, which copies keep, do not count."""
    files = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            files.update(hashlib.sha256(file.read()).digest())
        files.update(os.fsencode(path[len(str(folder)):].replace(os.sep, "/")))
    return files.hexdigest()


def open_rgb(path):
    """The picture in a file as RGB: turned as its EXIF says, on white where it is transparent, 8 bits of 16.

    Raises:
        ValueError: naming the file, out of which no picture can be made.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            wide = picture.mode.startswith("I;16") or picture.mode == "I" and picture.format in ("PNG", "PPM")
            picture = ImageOps.exif_transpose(picture)
        if wide:
            picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
        if picture.mode in ("I", "F"):
            raise ValueError("its numbers have 32 bits, and nothing says which of them is white; save it with 8 or 16")
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return picture.convert("RGB")
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} has more than {2 * Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller.") from error
    except Exception as error:          # a decoder raises whatever the bytes make it stumble over
        raise ValueError(f"{path} cannot be read as a picture: {str(error).rstrip('.')}.") from error


def readable(folder, paths, sha256):
    """Open every photo, so that what cannot be read is named before training and not in the middle of it (ValueError).

    Once for each set of files: `sha256`, what `files_sha256` says of them, is kept beside the folder like pixels.
    """
    from PIL import __version__
    from tqdm import tqdm

    names, state = _kept(folder, "opened.json"), json.dumps({"files": sha256, "pillow": __version__})
    if any(name.is_file() and name.read_bytes() == state.encode() for name in names):
        return
    with ThreadPoolExecutor(min(os.cpu_count(), 8)) as pool:
        opened = pool.map(lambda path: open_rgb(path).size, paths)
        for _ in tqdm(opened, "opening every photo once", len(paths), unit="photo", disable=len(paths) < 500):
            pass
    _write(names, lambda name: save_text(name, state))


def pixels_of(paths, size=None):
    """Decode files as `decoded` does, whatever is kept of them: uint8 (N, 3, H, W)."""
    from tqdm import tqdm

    images = None
    for i, path in enumerate(tqdm(paths, "decoding once", unit="image", disable=len(paths) < 5000)):
        pixels = torch.from_numpy(np.array(_centre(open_rgb(path), size)))
        if images is None:
            images = torch.empty((len(paths), 3, *pixels.shape[:2]), dtype=torch.uint8)
        if pixels.shape[:2] != images.shape[2:]:
            raise ValueError(f"{path} has another size than {paths[0]}; give size=, e.g. size=64.")
        images[i] = pixels.permute(2, 0, 1)
    return images


def _centre(picture, size):
    if size is None:
        return picture
    scale = size / min(picture.size)
    w, h = (max(size, round(n * scale)) for n in picture.size)
    left, top = (w - size) // 2, (h - size) // 2
    return picture.resize((w, h)).crop((left, top, left + size, top + size))


# -- the file: pixels, the checksum they must have, and the state of the folder they were decoded from --------


def _kept(folder, ending):
    """Files in which something of the folder may be kept, the best first; none if that is switched off."""
    wish = os.environ.get("CNNLIB_CACHE", "")
    if wish.lower() in ("off", "0", "no"):
        return []
    own = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = [Path(wish).expanduser() / own] if wish else [folder.parent, home / "cnnlib" / own]
    return [place / f"{folder.name}.{ending}" for place in places]


def _sha256(images):
    return hashlib.sha256(images.numpy()).hexdigest()


def _read(name, source):
    """(images, sha256) of the file, or None where there is none, it is of another state, or it is damaged."""
    from safetensors import SafetensorError, safe_open

    if not name.is_file():
        return None
    try:
        with safe_open(name, framework="pt") as file:
            kept = file.metadata() or {}
            if kept.get("source") != source:
                print(f"{name} is out of date: the images have changed since; decoding them again.")
                return None
            images = file.get_tensor("images")
    except (SafetensorError, OSError) as error:
        print(f"{name} cannot be read ({error}); decoding the images again.")
        return None
    if _sha256(images) != kept.get("sha256"):
        print(f"{name} is corrupted: its checksum is wrong; decoding the images again.")
        return None
    return images, kept["sha256"]


def _write(names, save):
    """Let `save` write the first of `names` that can be written; where none can, the next run works again."""
    for name in names:
        with suppress(OSError):
            return save(name)
