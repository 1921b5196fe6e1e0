"""One HTTP/1.1 answer, read piece by piece as it arrives."""

from __future__ import annotations

import httptools

HEAD_LIMIT = 64 * 1024  # bytes; Envoy's own limit for the headers of an answer is 60 KiB
BODY_LIMIT = (
    64 * 1024 * 1024
)  # bytes; a test of policies has no use for more, and an endless answer would fill the memory


class Answer:
    """The answer to one request at a time; `expect` makes it ready for the next.

    After `feed` or `finish` it is ``complete``, or ``error`` says in a few words why it never will be, or more is to
    come. Bytes after a complete answer do not make it invalid (they may arrive now or later), but they make the
    connection unusable.
    """

    __slots__ = (
        "_chunks",
        "_field_bytes",
        "_framed",
        "_head_bytes",
        "_headless",
        "_in_body",
        "_parser",
        "_size",
        "_spoiled",
        "_started",
        "complete",
        "error",
        "headers",
        "status",
    )

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._headless = False
        self._reset()

    def expect(self, method: str) -> None:
        """Makes ready for the answer to a request with this method."""
        if self._headless:  # the parser waits for the body that an answer to HEAD announces and does not send
            self._parser = httptools.HttpResponseParser(self)
        self._headless = method == "HEAD"
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False
        self.error: str | None = None
        self._chunks: list[bytes] = []
        self._head_bytes = self._field_bytes = self._size = 0
        self._framed = self._in_body = self._started = self._spoiled = False

    @property
    def body(self) -> bytes:
        """The body read so far, without its transfer coding."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    @property
    def reusable(self) -> bool:
        """Whether the answer is complete, nothing followed it and the peer keeps the connection."""
        return self.complete and not self._spoiled

    def feed(self, data: bytes) -> None:
        """Takes bytes as they came."""
        self._started = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail("upgraded to another protocol")
        except httptools.HttpParserError as error:
            self._fail(f"malformed answer: {error}")
        if not self._in_body:
            self._head_bytes += len(data)
            self._limit_head(self._head_bytes)

    def finish(self) -> None:
        """Takes the end of the stream, which completes an answer that nothing else delimits."""
        if self._in_body and not self._framed and not self.error:
            self.complete = self._spoiled = True
        elif self._started:
            self._fail("read: closed in the middle of an answer")
        else:
            self._fail("read: closed before an answer")

    def _fail(self, error: str) -> None:
        if self.complete:
            self._spoiled = True
        else:
            self.error = self.error or error

    def _limit_head(self, size: int) -> None:
        if size > HEAD_LIMIT:
            self._fail(f"answer head larger than {HEAD_LIMIT // 1024} KiB")

    # what httptools calls

    def on_message_begin(self) -> None:
        """A second message where one was asked for spoils the connection."""
        if self.complete:
            self._spoiled = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; those after the body (trailers) are not wanted."""
        if self._in_body:
            return
        self._field_bytes += len(name) + len(value) + 4  # ": " and the end of the line
        self._limit_head(self._field_bytes)
        name = name.lower()
        self.headers.append((name, value))
        if name == b"content-length":
            self._framed = True
        elif name == b"transfer-encoding":
            self._framed = value.lower().rstrip().endswith(b"chunked")

    def on_headers_complete(self) -> None:
        """The end of the head, which is the end of an answer to HEAD."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:  # an interim answer: the real one follows
            self.headers.clear()
            self._head_bytes = self._field_bytes = 0
            return
        self.status = status
        self._in_body = True
        if self._headless:
            self._complete()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._size += len(data)
        if self.complete:
            self._spoiled = True
        elif self._size > BODY_LIMIT:
            self._fail(f"answer body larger than {BODY_LIMIT // 1024 // 1024} MiB")
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:
        """The end of the answer, unless it was an interim one."""
        if self._in_body:
            self._complete()

    def _complete(self) -> None:
        if self.error is None and not self.complete:
            self.complete = True
            self._spoiled = not self._parser.should_keep_alive()  # only now: the parser forgets it after this call
