"""Sends a service in a container what it may just accept, and a little more: images, several at once; connections."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from tests.support.largest import largest_images

# How many requests more than there are permits are sent at once.
_SURPLUS = 3


@dataclass(frozen=True, kw_only=True)
class Volley:
    """What came of one image that was sent several times at once; status 0: no answer."""

    kind: str
    too_large: bool
    statuses: Counter[int]

    @property
    def is_right(self) -> bool:
        """Whether each was answered as it should be: classified or refused, and at least one not for the queue."""
        expected = 422 if self.too_large else 200
        return self.statuses[expected] > 0 and set(self.statuses) <= {expected, 429}


def largest_volleys(url: str) -> Iterator[Volley]:
    """Send the largest accepted images of every format, then such images with one more row and column."""
    limits = json.loads(_get(url, "/v1/model"))["limits"]
    count = int(re.findall(r"^fieldguide_permits (\d+)", _get(url, "/metrics"), re.MULTILINE)[0]) + _SURPLUS
    side = int(limits["max_pixels"] ** 0.5)
    for is_surplus, pixels in ((False, limits["max_pixels"]), (True, (side + 1) ** 2)):
        for kind, data in largest_images(pixels):
            with Image.open(io.BytesIO(data)) as image:
                too_large = image.width * image.height > limits["max_pixels"]
            if too_large != is_surplus or kind.startswith("HEIF"):  # the image does not have HEIF
                continue
            form = _form(data, length=limits["max_body_bytes"])
            with ThreadPoolExecutor(count) as threads:
                statuses = Counter(threads.map(lambda _, form=form: _post(url, form), range(count)))
            yield Volley(kind=kind, too_large=too_large, statuses=statuses)


def connections_at_once(address: str, *, most: int = 300) -> int:
    """Open connections and keep them, each with one request that is answered; returns how many were answered."""
    held: list[http.client.HTTPConnection] = []
    answered = 0
    with contextlib.suppress(OSError, http.client.HTTPException):
        while answered < most:
            held.append(http.client.HTTPConnection(address, timeout=5))
            held[-1].request("GET", "/v1/model")
            response = held[-1].getresponse()
            response.read()
            if response.status != 200:
                break
            answered += 1
    for connection in held:
        connection.close()
    return answered


def _form(data: bytes, *, length: int) -> tuple[bytes, str]:
    """A form with the image, padded so that the whole has this length."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    tail = b"\r\n--x--\r\n"
    return head + data.ljust(length - len(head) - len(tail), b"\0") + tail, "multipart/form-data; boundary=x"


def _post(url: str, form: tuple[bytes, str]) -> int:
    request = urllib.request.Request(f"{url}/v1/predict", form[0], {"Content-Type": form[1]})
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, http.client.HTTPException):
        return 0


def _get(url: str, path: str) -> str:
    with urllib.request.urlopen(url + path, timeout=20) as response:
        text: str = response.read().decode()
    return text
