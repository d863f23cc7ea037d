#!/usr/bin/python3
"""Writes what is said elsewhere already: the sample configuration, its reference, the man pages and the
shell completion, from the programs' own --sample-config and --help.

    tools/generate-docs.py BUILD            writes
    tools/generate-docs.py --check BUILD    says what is out of date; exit status 1 if anything is
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {"tokamak-server": "in-memory data server", "tokamak-bench": "load generator for data servers",
            "tokamak-check": "checks, repairs and converts data and configuration files"}
SEE_ALSO = {"tokamak-server": "tokamak.conf(5), tokamak-bench(1), tokamak-check(1), redis-cli(1)",
            "tokamak-bench": "tokamak-server(1)", "tokamak-check": "tokamak-server(1), tokamak.conf(5)"}


def output(build, program, option):
    return subprocess.run([build / program, option], check=True, capture_output=True, text=True).stdout


def directives(sample):
    """[(section, [(name, value or None, help, form or type)])]: "# help", "# Value: …" or "# Form: …", "#name value"."""
    sections, comments = [], []
    for line in sample.splitlines():
        if heading := re.fullmatch(r"#{16} (.*) #{16}", line):
            sections.append((heading[1], []))
        elif line.startswith("# Form: "):
            sections[-1][1].append((line.split()[2], None, " ".join(comments), line[8:]))
            comments = []
        elif line.startswith("# "):
            comments.append(line[2:])
        elif line.startswith("#"):
            name, _, value = line[1:].partition(" ")
            sections[-1][1].append((name, value, comments[0], comments[1].removeprefix("Value: ")))
            comments = []
        else:
            comments = []
    return sections


def reference(sections):
    lines = ["# Configuration reference", "",
             "Made by `tools/generate-docs.py` from the table in `src/server/config.def`. A directive stands in a file"
             " (`tokamak-server tokamak.conf`), on the command line (`--name value`), or is changed while the server runs"
             " (`CONFIG SET name value`) unless it says \"only at start\". Names, values and defaults are Redis 7.2's, but the"
             " defaults of `bind`, `io-threads` and `maxclients`; what is Tokamak's own is in the first section. `conf/tokamak.conf` has the same as a file.", ""]
    for section, rows in sections:
        lines += [f"## {section}", "", "| directive | default | values | meaning |", "|---|---|---|---|"]
        for name, value, text, form in rows:
            cells = [f"`{name}`", f"`{value}`" if value else "", form if value is not None else f"`{form}`", text]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


def roff(text):
    """A line of text as it stands: no request, no escape, no hyphen that a terminal cannot copy."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def page_head(name, section, what):
    return [f'.TH {name.upper()} {section} "" Tokamak', ".SH NAME", f"{roff(name)} \\- {what}"]


def program_page(name, usage):
    lines = page_head(name, 1, PROGRAMS[name]) + [".SH SYNOPSIS", ".nf"]
    body = usage.removeprefix("Usage: ").splitlines()
    while body and (body[0].startswith(" " * 7) or body[0].startswith(name)):
        lines.append(roff(body.pop(0).strip()))
    lines += [".fi", ".SH DESCRIPTION", ".nf", *map(roff, body), ".fi", ".SH SEE ALSO", roff(SEE_ALSO[name])]
    return "\n".join(lines) + "\n"


def config_page(sections):
    lines = page_head("tokamak.conf", 5, "configuration of tokamak-server") + [
        ".SH DESCRIPTION", "One directive per line: a name and its values, separated by blanks. A value with blanks",
        "stands in quotes. Lines that begin with # are comments."]
    for section, rows in sections:
        lines.append(f".SH {section.upper()}")
        for name, value, text, form in rows:
            lines += [".TP", f".B {roff(form if value is None else f'{name} {value}')}", roff(text)]
            if value is not None:
                lines.append(roff(f"({form})"))
    return "\n".join(lines + [".SH SEE ALSO", roff("tokamak-server(1)")]) + "\n"


def option_words(usage):
    """Long options in the order of --help; (word, takes a value)."""
    found = re.findall(r"^ +(?:-\w, )?(--[a-z][a-z-]*)( [A-Z\[<])?", usage, re.M)
    return [(word, bool(value)) for word, value in dict(found).items()]


def completion(sections, usages):
    enums = {name: form.partition(";")[0].replace(",", "").replace(" or ", " ") for _, rows in sections
             for name, value, _, form in rows
             if value is not None and re.fullmatch(r"(yes or no|[\w.-]+(, [\w.-]+)+)(;.*)?", form)
             and not form.startswith(("number", "bytes", "octal"))}
    names = " ".join(f"--{name}" for _, rows in sections for name, *_ in rows)
    bench = " ".join(word for word, _ in option_words(usages["tokamak-bench"]))
    cases = "\n".join(f"    --{name}) COMPREPLY=($(compgen -W \"{words}\" -- \"$word\")); return ;;"
                      for name, words in sorted(enums.items()))
    commands = re.search(r"^Commands of --command: (.*)\.$", usages["tokamak-bench"], re.M)[1].replace(",", "")
    return f"""# Completion for bash. Made by tools/generate-docs.py.
_tokamak_server() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    case $before in
{cases}
    esac
    case $word in
    -*) COMPREPLY=($(compgen -W "-p -i -w --sample-config --version --help {names}" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
    esac
}}
_tokamak_bench() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    case $before in
    --protocol) COMPREPLY=($(compgen -W "resp resp3 frame http" -- "$word")); return ;;
    --format) COMPREPLY=($(compgen -W "text json csv" -- "$word")); return ;;
    --keys) COMPREPLY=($(compgen -W "uniform sequential zipf" -- "$word")); return ;;
    -t | --command) COMPREPLY=($(compgen -W "{commands}" -- "$word")); return ;;
    --cacert | --cert | --key | --hgrm) COMPREPLY=($(compgen -f -- "$word")); return ;;
    esac
    COMPREPLY=($(compgen -W "{bench}" -- "$word"))
}}
_tokamak_check() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W "config rdb aof convert --help --version" -- "$word"))
    elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "--fix --truncate-to-timestamp --to" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}}
complete -o filenames -F _tokamak_server tokamak-server
complete -o filenames -F _tokamak_bench tokamak-bench
complete -o filenames -F _tokamak_check tokamak-check
"""


def documents(build):
    sample = output(build, "tokamak-server", "--sample-config")
    sections = directives(sample)
    usages = {name: output(build, name, "--help") for name in PROGRAMS}
    pages = {f"packaging/man/{name}.1": program_page(name, usage) for name, usage in usages.items()}
    return {"conf/tokamak.conf": sample, "docs/configuration.md": reference(sections),
            "packaging/man/tokamak.conf.5": config_page(sections), **pages,
            "packaging/bash-completion/tokamak": completion(sections, usages)}


def main():
    check = "--check" in sys.argv
    arguments = [word for word in sys.argv[1:] if word != "--check"]
    if len(arguments) != 1:
        sys.exit(__doc__)
    stale = 0
    for name, text in documents(Path(arguments[0]).resolve()).items():
        path = ROOT / name
        if path.exists() and path.read_text() == text:
            continue
        stale += 1
        print(f"{name} {'is out of date' if check else 'written'}")
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    sys.exit(1 if check and stale else 0)


if __name__ == "__main__":
    main()
