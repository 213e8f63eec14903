"""What was decided about single columns, gathered by topic, so that each topic is told once for all its columns."""

from __future__ import annotations

from bpx.tables.messages import shown

__all__ = ["Facts"]

_COLUMNS_NAMED = 8

_TOPICS: dict[str, tuple[str, str]] = {
    # topic: what is said of its columns; what to do, where {} is the first of them as an argument and as an option
    "left out": ("left out", ""),
    "number keys": ("left out", "to keep one, {number}"),
    "text keys": ("left out", "to keep one, {category}"),
    "kept": ("kept, though all its values differ, because there is nothing else to learn from", ""),
    "presence": ("of which only whether there is a value is used", ""),
    "gaps": ("with gaps, which are filled and flagged", ""),
    "new gaps": ("with gaps that training had none of, filled", ""),
    "spellings": ("with values in several spellings, taken as one", "if they differ, {category}"),
    "respelled": ("with values in another spelling than in training, taken as those", ""),
    "numbers": ("of text read as numbers", "if they are categories, {category}"),
    "points": ("of numbers whose commas or points are taken to stand between thousands", ""),
    "unread": ("with values that cannot be read as in training, taken for gaps", ""),
    "bounds": ("of numbers with bounds, taken as the numbers", ""),
    "odd": ("with text among the values, taken for gaps", "if they are categories, {category}"),
    "infinite": ("with infinite numbers, taken for gaps", ""),
    "units": ("not read as numbers, because the unit varies", "write all of them in one unit"),
    "codes": ("taken as categories, because its numbers are text", "if they are numbers, {number}"),
    "mixed": ("taken as categories, because of text among the numbers", ""),
    "dates": ("read as dates or times", "if they are categories, {category}"),
    "either way": ("of dates that could be read in two ways", "write dates like 2024-12-31 if that is wrong"),
    "other order": (
        "of dates with day and month in another order than in training, read so",
        "write dates like 2024-12-31 if that is wrong",
    ),
    "most frequent": ("with many different texts, of which the most frequent are kept", "{category} keeps all of them"),
    "embedded": ("with many different texts, each of which becomes a vector that is learned", ""),
    "spaces": ("of text with spaces around values, taken off", ""),
    "sentinels": (
        "with a number that looks like a gap and stays a number",
        "if it is one, leave its cells empty, or have the file read so {missing}",
    ),
    "sentinel dates": (
        "with a date that looks like a gap and stays a date",
        "if it is one, leave its cells empty, or have the file read so {missing}",
    ),
    "leaks": ("giving the target away", "leave them out if they are not known before it"),
}


_LEFT_OUT = ("left out", "number keys", "text keys")
"""Topics that are told together; the advice is that of the last."""


class Facts:
    """Facts about columns by topic, in the order of the topics."""

    def __init__(self) -> None:
        self._facts: dict[str, dict[str, str]] = {}

    def add(self, topic: str, name: str, text: str = "") -> None:
        """Add a fact about one column.

        Parameters
        ----------
        topic : str
            One of the topics of this module.
        name : str
            The column.
        text : str
            What is particular to it, which stands in brackets behind its name.
        """
        assert topic in _TOPICS, topic
        self._facts.setdefault(topic, {})[name] = text

    def move(self, topic: str, to: str, name: str) -> None:
        """Move the fact about a column, if there is one, to another topic."""
        facts = self._facts.get(topic, {})
        if name in facts:
            self.add(to, name, facts.pop(name))
        if not facts:
            self._facts.pop(topic, None)

    def tell(self) -> list[str]:
        """Return one line for each topic, and one for all columns that are left out."""
        keys = [topic for topic in _LEFT_OUT if topic in self._facts]
        told: list[str] = []
        if keys:
            together = {name: text for topic in keys for name, text in self._facts[topic].items()}
            _, advice = _TOPICS[keys[-1]]
            told.append(_tell(keys[-1], together, example=next(iter(self._facts[keys[-1]])) if advice else ""))
        others = (topic for topic in _TOPICS if topic in self._facts and topic not in _LEFT_OUT)
        return [*told, *(_tell(topic, self._facts[topic]) for topic in others)]


def _tell(topic: str, facts: dict[str, str], example: str = "") -> str:
    said, advice = _TOPICS[topic]
    named = [shown(name) + (f" ({text})" if text else "") for name, text in facts.items()]
    more = f", and {len(named) - _COLUMNS_NAMED:,} more" if len(named) > _COLUMNS_NAMED else ""
    first = example or next(iter(facts))
    count = f"{len(facts):,} column{'' if len(facts) == 1 else 's'}"
    line = f"{count} {said}: {', '.join(named[:_COLUMNS_NAMED])}{more}"
    return f"{line}; {_advise(advice, first, facts[first])}" if advice else line


def _advise(advice: str, name: str, text: str) -> str:
    """Fill in how a column is declared, in the words of Python and of the command line."""
    import shlex

    ways = {
        kind: f"declare it (types={{{shown(name)}: '{kind}'}}, --{kind} {shlex.quote(name)})"
        for kind in ("category", "number", "text")
    }
    value = text.partition(" ")[0]
    ways["missing"] = f"(missing_values=['{value}'], --missing-values {value})"
    return advice.format(**ways)
