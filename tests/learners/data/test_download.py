"""Downloads: mirrors, digests, progress."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pooch
import pytest

from energyprof.errors import DataError, OutputError
from learners.data.download import cache_folder, fetch
from learners.data.publication import Publication

CONTENT = b"published" * 1000


@pytest.fixture
def publication() -> Publication:
    return Publication(
        folders=("thing",),
        downloads={"file.gz": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()},
        addresses=("https://one.invalid/", "https://two.invalid/"),
        members={},
    )


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Stand in for the network: address -> what it sends; others do not answer."""
    pages: dict[str, bytes] = {}

    def download(self: Any, url: str, output_file: str, *_: object) -> None:
        if url not in pages:
            raise ConnectionError("Name or service not known")
        Path(output_file).write_bytes(pages[url])
        if self.progressbar:
            self.progressbar.total = len(pages[url])
            self.progressbar.update(len(pages[url]) + 10)  # pooch counts whole chunks
            self.progressbar.reset()
            self.progressbar.update(len(pages[url]))
            self.progressbar.close()

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    return pages


def test_the_second_address_is_tried_when_the_first_does_not_answer(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    web["https://two.invalid/file.gz"] = CONTENT
    files = fetch("thing is not at hand", publication, tmp_path, None)
    assert files["file.gz"].read_bytes() == CONTENT


def test_what_is_in_the_cache_is_not_fetched_again(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "file.gz").write_bytes(CONTENT)
    assert fetch("thing is not at hand", publication, tmp_path, None)["file.gz"].read_bytes() == CONTENT


def test_what_is_damaged_in_the_cache_is_fetched_again(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "file.gz").write_bytes(b"damaged")
    web["https://one.invalid/file.gz"] = CONTENT
    assert fetch("thing is not at hand", publication, tmp_path, None)["file.gz"].read_bytes() == CONTENT


def test_a_download_with_a_wrong_digest_is_refused_and_not_kept(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    web |= {f"{address}file.gz": b"something else" for address in publication.addresses}
    with pytest.raises(DataError, match=r"file\.gz from .* does not have the published MD5") as caught:
        fetch("thing is not at hand", publication, tmp_path, None)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "file.gz").exists()


def test_progress_is_told_and_ends_at_the_whole(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    web["https://one.invalid/file.gz"] = CONTENT
    told: list[tuple[str, int, int | None]] = []
    fetch("thing is not at hand", publication, tmp_path, lambda *state: told.append(state))
    assert told[-1] == ("file.gz", len(CONTENT), len(CONTENT))
    assert all(done <= (total or done) for _, done, total in told)


def test_nothing_is_printed(
    publication: Publication, web: dict[str, bytes], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    web["https://one.invalid/file.gz"] = CONTENT
    fetch("thing is not at hand", publication, tmp_path, None)
    assert capfd.readouterr() == ("", "")


def test_a_cache_that_cannot_be_written_is_an_error_of_its_own(
    publication: Publication, web: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cache folder .* cannot be made .*ENERGYPROF_CACHE"):
        fetch("thing is not at hand", publication, tmp_path / "file" / "cache", None)


def test_the_cache_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENERGYPROF_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
