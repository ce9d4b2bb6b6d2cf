"""Pages that are run: the fenced blocks of a markdown file, section by section.

Each section is played from top to bottom against an instance of its own, in an empty folder. Pages
say port 8000, and 8080 for a proxy in front of it; free ones take their places. What a block is for
is said by its language:

- `sh`: run with bash; it must end with 0. `python`: the same with this interpreter. In a section
  that makes a `Server` or runs `sse-server serve` itself, no other is served.
- `nginx`: what stands in the `http` block of an nginx, which goes on until the section ends.
- `sh` or `python` whose first line is `# terminal N`: goes on in the background until the section
  ends, and the next block follows once it is up.
- `html`, or `js` as a module of an empty page: opened in Chromium. Its output is the console.
- `text` after one of those: each line must appear in what the section has printed so far; `…` is
  anything within a line.
- `console`: commands for setting up, which are not run; the targets of make in it must exist.
- `json`, `toml`: must parse.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest
from playwright.sync_api import ConsoleMessage, Page, Response, Route

from tests.conftest import Serve, find_free_port, require_command

ROOT = Path(__file__).parent.parent
PAGE_PORT = 8000
PAGE_PROXY_PORT = 8080
RUN_TIMEOUT_SECONDS = 20.0
READY_TIMEOUT_SECONDS = 5.0
TEXT_TIMEOUT_SECONDS = 5.0
PATH_OF_THIS_ENVIRONMENT = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    language: str
    code: str

    @property
    def is_terminal(self) -> bool:
        return re.match(r"# terminal \d", self.code) is not None

    @property
    def is_page(self) -> bool:
        return self.language in {"html", "js"}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the blocks up to the next one."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def needs_page(self) -> bool:
        return any(block.is_page for block in self.blocks)

    @property
    def serves_itself(self) -> bool:
        signs = {"python": "Server(", "sh": "sse-server serve"}
        return any(
            block.language in signs and signs[block.language] in block.code for block in self.blocks
        )

    @property
    def needs_peer(self) -> bool:
        return self.needs_page or any(block.language == "nginx" for block in self.blocks)

    @property
    def needs_server(self) -> bool:
        runs = any(block.is_page or block.language in {"python", "sh"} for block in self.blocks)
        return runs and not self.serves_itself


def sections(markdown: str) -> list[Section]:
    """All sections that have a fenced block."""
    found: list[tuple[str, list[Block]]] = []
    pattern = r"^```(?P<language>\S*)\n(?P<code>.*?)^```$|^#+ (?P<title>[^\n]*)$"
    for match in re.finditer(pattern, markdown, re.MULTILINE | re.DOTALL):
        if match["title"] is not None:
            found.append((match["title"], []))
        else:
            found[-1][1].append(Block(match["language"], match["code"]))
    return [Section(title, tuple(blocks)) for title, blocks in found if blocks]


class Story:
    """Plays one section: what it starts goes on until the context is left."""

    def __init__(self, folder: Path, port: int, page: Page | None) -> None:
        self._folder = folder
        self._port = port
        self._proxy_port = find_free_port()
        self._page = page
        self._ends = ExitStack()
        self._terminals: list[subprocess.Popen[bytes]] = []
        self._logs: list[Path] = []
        self._console: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._ends.close()

    def output(self) -> str:
        """All that the section has printed so far."""
        logs = (log.read_text(encoding="utf-8", errors="replace") for log in self._logs)
        return "\n".join([*logs, *self._console])

    def play(self, block: Block) -> None:
        ports = {str(PAGE_PORT): self._port, str(PAGE_PROXY_PORT): self._proxy_port}
        code = re.sub(
            rf"(?<=127\.0\.0\.1:)({'|'.join(ports)})\b",
            lambda found: str(ports[found[1]]),
            block.code,
        )
        match block.language:
            case "sh":
                self._run(["bash", "-euo", "pipefail", "-c", code], block)
            case "python":
                self._run([sys.executable, "-c", code], block)
            case "nginx":
                self._start_nginx(code)
            case "html":
                self._open(code)
            case "js":
                self._open(f'<!doctype html><script type="module">{code}</script>')
            case "text":
                self._compare(code)
            case "console":
                check_make_targets(code)
            case "json":
                json.loads(code)
            case "toml":
                tomllib.loads(code)
            case other:
                pytest.fail(f"nothing says how a block of {other or 'no language'} is tested")

    def _run(self, command: list[str], block: Block) -> None:
        if "curl" in block.code:
            require_command("curl", package="curl")
        process, log = self._start(command)
        if not block.is_terminal:
            assert process.wait(RUN_TIMEOUT_SECONDS) == 0, f"{block.code}\n{self.output()}"
            return
        self._terminals.append(process)

        def is_up() -> bool:
            listens = block.language == "python" and accepts(self._port)
            return listens or process.poll() is not None or log.stat().st_size > 0

        self._wait_for(is_up, READY_TIMEOUT_SECONDS)

    def _start(self, command: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._folder / f"block-{len(self._logs)}.log"
        self._logs.append(log)
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={
                    **os.environ,
                    "PATH": PATH_OF_THIS_ENVIRONMENT,
                    # Where it names no server it means the one of the page's port.
                    "SSE_SERVER_URL": f"http://127.0.0.1:{self._port}",
                },
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that what bash starts ends with it
            )
        self._ends.callback(end, process)
        return process, log

    def _start_nginx(self, configuration: str) -> None:
        nginx = require_command("nginx", package="nginx")
        file = self._folder / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        paths = "".join(f"{kind}_temp_path {self._folder}/{kind};\n" for kind in kinds)
        file.write_text(
            f"daemon off;\nmaster_process off;\npid {self._folder}/nginx.pid;\n"
            f"error_log stderr;\nevents {{}}\n"
            f"http {{\naccess_log off;\n{paths}{configuration}}}\n",
            encoding="utf-8",
        )
        process, _ = self._start([nginx, "-e", "stderr", "-p", str(self._folder), "-c", str(file)])
        self._terminals.append(process)
        self._wait_for(
            lambda: accepts(self._proxy_port) or process.poll() is not None, READY_TIMEOUT_SECONDS
        )

    def _open(self, html: str) -> None:
        """Show a page of the served instance's own origin, and wait until its stream is open."""
        page = self._page
        assert page is not None
        streams: list[str] = []

        def keep_line(message: ConsoleMessage) -> None:
            self._console.append(message.text)

        def keep_stream(response: Response) -> None:
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                streams.append(response.url)

        def answer(route: Route) -> None:
            route.fulfill(body=html, content_type="text/html; charset=utf-8")

        page.on("console", keep_line)
        page.on("response", keep_stream)
        page.route("**/snippet.html", answer)
        page.goto(f"http://127.0.0.1:{self._port}/snippet.html")
        self._wait_for(lambda: bool(streams), READY_TIMEOUT_SECONDS)

    def _compare(self, text: str) -> None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]

        def missing() -> list[str]:
            output = self.output()
            patterns = {line: ".*".join(map(re.escape, line.split("…"))) for line in lines}
            return [line for line, pattern in patterns.items() if not re.search(pattern, output)]

        self._wait_for(lambda: not (missing() and self._is_going_on()), TEXT_TIMEOUT_SECONDS)
        assert not missing(), f"{missing()} not in:\n{self.output()}"
        failed = [terminal.args for terminal in self._terminals if terminal.poll()]
        assert not failed, f"{failed} failed:\n{self.output()}"

    def _is_going_on(self) -> bool:
        return self._page is not None or any(t.poll() is None for t in self._terminals)

    def _wait_for(self, condition: Callable[[], bool], timeout_seconds: float) -> None:
        """Return when the condition holds, or when the time is up."""
        deadline = time.monotonic() + timeout_seconds
        while not condition() and time.monotonic() < deadline:
            if self._page is None:
                time.sleep(0.02)
            else:
                self._page.wait_for_timeout(20)  # lets Playwright call the handlers


def accepts(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads a session of its own, and all it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check_make_targets(commands: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target} does not exist"


def play(section: Section, folder: Path, serve: Serve, page: Page | None) -> None:
    port = serve().port if section.needs_server else find_free_port()
    with Story(folder, port, page) as story:
        for block in section.blocks:
            story.play(block)


def cases(sections: list[Section], *, with_page: bool) -> list[object]:
    """Parameters of a test: those sections that need a browser, or those that need none."""
    return [
        pytest.param(
            section, id=section.title, marks=[pytest.mark.peer] if section.needs_peer else []
        )
        for section in sections
        if section.needs_page is with_page
    ]
