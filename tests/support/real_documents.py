"""Small documents of the kinds that have a chunking strategy of their own, written as people write them."""

from __future__ import annotations

from pathlib import Path

from ragterm.engine.documents.code import parse_code
from ragterm.engine.documents.delimited import parse_delimited
from ragterm.engine.documents.markdown import parse_markdown
from ragterm.engine.documents.text import parse_text
from ragterm.engine.types.documents import Document, ParsedDocument


def parsed(text: str, name: str) -> Document:
    """A document as an ingest makes it, by the ending of its name."""
    parse = {".md": parse_markdown, ".txt": parse_text, ".csv": parse_delimited}.get(Path(name).suffix, parse_code)
    found: ParsedDocument = parse(text, Path(name))
    return Document(
        "id", f"/docs/{name}", found.title, found.kind, "hash", found.text, found.blocks, metadata=found.metadata
    )


CONTRACT = """\
SUPPLY AGREEMENT

This Agreement is made between Aqua Pumps Ltd (the "Supplier") and the City of Weir (the "Customer"). The parties agree as follows.

1. Definitions
1.1 "Goods" means the pumps listed in Schedule 1.
1.2 "Delivery Date" means the date stated in the order.

2. Delivery
2.1 The Supplier shall deliver the Goods on the Delivery Date to the place named in the order, notwithstanding any delay of its own
suppliers.
2.2 Where delivery is late the Customer may, pursuant to clause 5:
(a) accept late delivery and deduct one per cent of the price for each day of delay;
(b) set a further period of ten days in writing; or
(c) terminate this Agreement if
(i) the further period has passed, or
(ii) the Supplier has declared in writing that it shall not deliver.
2.3 Title in the Goods passes to the Customer on payment.

3. Price and payment
3.1 The Customer shall pay the price within thirty days of receipt of an invoice.
3.2 Interest on late payment accrues at four per cent above the base rate.

4. Warranty and liability
4.1 The Supplier warrants that the Goods conform to the specification for twenty-four months. This warranty does not extend to wear.
4.2 Neither party shall be liable for loss of profit. Nothing herein limits liability for death or personal injury.

5. Term and termination
5.1 Either party may terminate this Agreement on three months' written notice.
5.2 The provisions of clause 4 survive termination.

6. Governing law
This Agreement is governed by the laws of England; the courts of London have exclusive jurisdiction.
"""

FAQ = """\
# Water meter: questions and answers

Everything that callers asked us last year.

## How do I read the meter?

Lift the lid and note the black figures. The red figures are litres and are not billed.

## Why is my bill higher than last year?

The price per cubic metre rose in May. A running toilet is the most common other reason: put a drop of ink into the cistern.

- Check the toilet.
- Check the garden tap.

## Who pays when the meter is broken?

We do, unless it froze in a room that was not heated.

## Can I get a second meter for the garden?

Yes. It costs 120 EUR once, and water that it counts is free of the sewage fee.
"""

PYTHON = '''\
"""Reads the level of a tank."""

import time
from dataclasses import dataclass

LIMIT = 80


@dataclass
class Reading:
    """One measurement."""

    level: float
    at: float


# The sensor is slow: it is asked once a second at most.
@retry(times=3)
def read(port: str) -> Reading:
    """Ask the sensor."""
    answer = ask(port, "LEVEL?")
    return Reading(float(answer), time.time())


class Alarm:
    """Rings when the tank is nearly full."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.rung = False
        self.history: list[Reading] = []

    def check(self, reading: Reading) -> bool:
        """True when it rings now."""
        self.history.append(reading)
        if reading.level < self.limit:
            self.rung = False
            return False
        if self.rung:
            return False
        self.rung = True
        for bell in bells():
            bell.ring(f"tank at {reading.level} per cent, limit {self.limit}")
        return True

    @property
    def last(self) -> Reading | None:
        """The newest reading, None before the first."""
        return self.history[-1] if self.history else None
'''

CSV = "id,name,note\n" + "".join(f'{n},pump {n},"delivered in week {n},\nchecked by ""Weber"""\n' for n in range(1, 41))
