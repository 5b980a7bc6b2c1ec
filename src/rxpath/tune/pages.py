"""The pages of docs/doctor, one a rule, made from the rule data: `python -m rxpath.tune.pages docs/doctor`.

Belongs here: turning data into Markdown.  The pages are committed; a test compares them with what this makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from .counters import MEANINGS, table
from .expr import names_in
from .facts import FACTS
from .rules import Cure, Rule, rules

KIND_WORDS = {
    "fault": "frames are lost",
    "warning": "frames are about to be lost, or a limit is at work",
    "advice": "nothing is lost, but it is slower or dearer than need be",
    "harmless": "looks alarming and is not; does not count as found",
    "negative": "a negative verdict: attached to findings of other rules, says that no knob helps",
}


def page(rule: Rule) -> str:
    """One rule as Markdown."""
    out = [f"# {rule.id}: {rule.title}", ""]
    out += ["| | |", "|---|---|"]
    out.append(f"| stage | {rule.stage} |")
    out.append(f"| judged for each | {rule.scope} |")
    out.append(f"| kind | {rule.kind}: {KIND_WORDS[rule.kind]} |")
    out.append(f"| certainty | {rule.certainty} |")
    out.append(f"| releases | {rule.releases} |")
    out.append(f"| drivers | {', '.join(rule.drivers)} |")
    if rule.yields:
        out.append(f"| silent when these fire for the same thing | {_links(rule.yields)} |")
    if rule.on:
        out.append(f"| said of findings of | {_links(rule.on)} |")
    out.append(f"| source | {rule.source} |")
    out += ["", "## What it looks for", "", "```", rule.when_text, "```", ""]
    if rule.symptom_text != rule.when_text:
        out += [
            "Symptom alone (with the rest unknown, the cause stays undecided):",
            "",
            "```",
            rule.symptom_text,
            "```",
            "",
        ]
    out += ["| fact | meaning |", "|---|---|"]
    names = dict.fromkeys((*names_in(rule.symptom), *names_in(rule.when), *rule.evidence))
    out += [f"| `{n}` | {FACTS[n].doc} |" for n in names]
    out += ["", "## What it says", "", rule.cause, "", rule.explanation, ""]
    if rule.cure:
        out += ["## Cure", ""]
        for c in rule.cure:
            out += _cure(c)
        if rule.warning:
            out += [f"**Warning.** {rule.warning}", ""]
    else:
        out += ["## Cure", "", "None: leave it." if rule.kind != "negative" else "None, and that is the verdict.", ""]
    out += [f"Risk or price: {rule.risk}.", "", "[All rules](index.md)", ""]
    return "\n".join(out).replace("{{", "{").replace("}}", "}")


def _links(ids: tuple[str, ...]) -> str:
    return ", ".join(f"[{i}]({i}.md)" for i in ids)


def _cure(c: Cure) -> list[str]:
    head = [f"If `{c.when_text}`:", ""] if c.when is not None else []
    if c.say:
        return [*head, f"- {c.say}", ""]
    lines: list[str] = []
    if c.sysctl:
        lines.append(f"sysctl -w {c.sysctl}='{c.value}'")
        lines.append(f"sysctl {c.sysctl}" + (f"; {c.verify}" if c.verify else "") + "    # verify")
        lines.append(f"sysctl -w {c.sysctl}='{c.was}'    # undo")
        short = c.sysctl.rsplit(".", 1)[-1]
        lines.append(f"echo '{c.sysctl} = {c.value}' > /etc/sysctl.d/90-rxpath-{short}.conf    # permanent")
    else:
        lines.append(c.do)
        if c.verify:
            lines.append(f"{c.verify}    # verify")
        if c.undo:
            lines.append(f"{c.undo}    # undo")
        if c.link:
            lines.append(f"# permanent: {c.link} in the [Link] section of /etc/systemd/network/10-rxpath-{{dev}}.link")
        if c.keep:
            lines.append(f"{c.keep}    # permanent")
    return [*head, "```sh", *lines, "```", ""]


def index() -> str:
    """The list of rules, and how to read it."""
    out = [
        "# Rules of the doctor",
        "",
        "`rxpath doctor` judges a host's own texts by these rules. They are data",
        "(`src/rxpath/tune/data/rules.toml`); these pages are made from them by",
        "`python -m rxpath.tune.pages docs/doctor`.",
        "",
        "A rule is true, false or unknown: a fact that the texts do not tell is unknown, and where it matters the",
        "doctor says which command would tell it. A lone snapshot gives totals since boot: no rates, and every",
        "certainty one step lower.",
        "Names in `<>` or `{}` are filled in from the host.",
        "",
        "| rule | kind | stage | |",
        "|---|---|---|---|",
    ]
    out += [f"| [{r.id}]({r.id}.md) | {r.kind} | {r.stage} | {r.title} |" for r in rules()]
    out += ["", "[Counters by driver](counters.md)", "", "## Facts", "", "| fact | of | meaning |", "|---|---|---|"]
    out += [f"| `{i.name}` | {i.scope} | {i.doc} |" for i in FACTS.values()]
    return "\n".join(out) + "\n"


def counters() -> str:
    """The table of counters by driver."""
    out = [
        "# Counters by driver",
        "",
        "What a name of `ethtool -S` means, by driver. Several names in one cell joined by + are added; / separates",
        "names of older and newer drivers or of queues and port, of which the first that is present counts.",
        "N is the queue.",
        "",
    ]
    for row in table().values():
        out += [f"## {row.driver}", "", f"{row.note}.", "", "| meaning | names |", "|---|---|"]
        for meaning in MEANINGS:
            alternatives = row.meanings.get(meaning)
            if alternatives:
                out.append(f"| {meaning} | {' / '.join(f'`{_shown(a)}`' for a in alternatives)} |")
        if row.bits < 64:
            out += ["", f"Counters of {row.bits} bits: they wrap."]
        model = f"Modelled as {row.model_as}." if row.model_as else "Modelled."
        out += ["", f"{model} Source: {row.source}.", ""]
    out.append("[All rules](index.md)")
    return "\n".join(out) + "\n"


def _shown(name: str) -> str:
    return name.lstrip("~").replace("(\\d+)", "N").replace("(?:", "(").replace("\\", "").replace("|", " or ")


def pages() -> dict[str, str]:
    """File name -> text of everything under docs/doctor."""
    out = {f"{r.id}.md": page(r) for r in rules()}
    out["index.md"] = index()
    out["counters.md"] = counters()
    return out


def main(argv: list[str]) -> int:
    """Write the pages into a directory; pages of rules that are gone are removed."""
    if len(argv) != 1:
        print("usage: python -m rxpath.tune.pages DIRECTORY", file=sys.stderr)
        return 2
    root = Path(argv[0])
    root.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in root.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (root / name).write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
