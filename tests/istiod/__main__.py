"""The command line: `python -m tests.istiod FILES...`."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tests.istiod
from tests.istiod import recording, verdict
from tests.istiod.session import Broken, Session, down, session, up
from tests.istiod.verdict import Verdict

# How often istiod must say again what is recorded: it orders some equals by chance.
AGAIN = 4


def main() -> int:
    options = _options().parse_args()
    try:
        if options.files in (["up"], ["down"]):
            up() if options.files == ["up"] else down()
            return 0
        with session() as asked:
            return _report(_judge(options, asked, _manifests(options.files)))
    except Broken as error:
        print(f"tests.istiod: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.istiod", description=tests.istiod.__doc__, formatter_class=form)
    parser.add_argument("files", nargs="+", help="manifests, or folders of them; or `up` or `down`")
    parser.add_argument("--record", type=Path, metavar="DIR", help="write what istiod sent to DIR/NAME.json")
    parser.add_argument(
        "--recorded", action="store_true", help="compare istiod with NAME.json beside each file instead"
    )
    return parser


def _manifests(names: list[str]) -> Iterator[Path]:
    for path in map(Path, names):
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else [path]


def _judge(options: argparse.Namespace, asked: Session, paths: Iterator[Path]) -> Iterator[tuple[str, Verdict]]:
    if verdict.agree(verdict.base(), asked.base).word != "EQUAL":
        raise Broken("without resources, the proxies do not have what the golden recordings start from")
    for path in paths:
        yield path.stem, _one(options, asked, path)


def _one(options: argparse.Namespace, asked: Session, path: Path) -> Verdict:
    answer = asked.ask(path.read_text())
    if answer.invalid is not None:
        return Verdict("INVALID", [answer.invalid])
    if answer.unstable:
        return Verdict("UNSTABLE", ["istiod says it in another way each time"])
    if options.record:
        for _ in range(AGAIN):
            again = asked.ask(path.read_text())
            if again.configurations != answer.configurations:
                return Verdict("UNSTABLE", verdict.agree(answer.configurations, again.configurations).notes)
        made = recording.recording(asked.base, answer.configurations)
        options.record.mkdir(parents=True, exist_ok=True)
        (options.record / f"{path.stem}.json").write_text(recording.as_text(made))
    said = answer.configurations
    found = verdict.agree(verdict.recorded(path), said) if options.recorded else verdict.judge(path, said)
    return Verdict(found.word, [*found.notes[:4], *(f"Envoy refused: {words}" for words in answer.rejected)])


def _report(found: Iterator[tuple[str, Verdict]]) -> int:
    count: Counter[str] = Counter()
    for name, each in found:
        count[each.word] += 1
        print(f"{each.word:9} {name}" + "".join(f"\n    {note[:400]}" for note in each.notes), flush=True)
    print(", ".join(f"{number} {word}" for word, number in sorted(count.items())))
    return 0 if count.keys() <= {"EQUAL", "REFUSED"} else 1


if __name__ == "__main__":
    sys.exit(main())
