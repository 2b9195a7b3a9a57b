"""Rich, believable values for the tests of the interface: a trace with its answer, a graph with its walk, and hostile twins.

Nothing here is random between runs. The numbers hang together as the engine's would: fused scores are the convex mixture of the
min-max scaled cosine and BM25 scores, ranks follow scores, offsets hold in the texts.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from ragterm.engine.types.answers import Answer, Citation, Sentence, Verdict
from ragterm.engine.types.documents import Chunk
from ragterm.engine.types.graphs import GraphSummary, LayerMap, LayerSummary, Walk, WalkStep
from ragterm.engine.types.tracing import Candidate, RetrievalSettings, StageName, StageScore, StageTiming, Trace

HOSTILE = "a [/foo] [b + [@click=app.quit]x[/] \x1b[31mred\x1b]8;;http://evil\x07 \x9b2J \u202eevil\u202c \x00end"
"""Markup that crashes, escape sequences, C1 controls, bidi overrides."""

PASSAGES: tuple[tuple[str, int | None, tuple[str, ...], str], ...] = (
    (
        "refund-policy-2025.pdf",
        3,
        ("Refunds", "Annual plans"),
        "Annual plans can be refunded in full within 30 days of purchase. After the thirtieth day we credit the unused months "
        "to the customer's account; credits expire after 24 months. Refunds are paid to the original means of payment within "
        "five working days.",
    ),
    (
        "refund-policy-2023.pdf",
        2,
        ("Refunds",),
        "Annual plans can be refunded within 14 days of purchase. No credit is given for unused months. This policy applies to "
        "contracts signed before 1 January 2025.",
    ),
    (
        "support-handbook.docx",
        None,
        ("Money matters", "When a customer asks for a refund"),
        "Look up the date of purchase first. Inside the refund window, approve without asking for a reason. Outside it, offer the "
        "credit and explain how long it lasts. Never promise a refund for hardware: that is the returns desk.",
    ),
    (
        "pricing.md",
        None,
        ("Plans", "Annual"),
        "The annual plan costs 190 euros a seat, two months cheaper than paying monthly. It renews by itself unless cancelled a "
        "week before the end of the term.",
    ),
    (
        "returns-desk.html",
        None,
        ("Returns of hardware",),
        "Sensors and gateways can be returned within 30 days if unopened, within 14 days if opened. Send the form with the serial "
        "number; the refund follows when the goods have arrived.",
    ),
    (
        "terms-of-service.pdf",
        11,
        ("9 Termination", "9.3 Effect on prepaid fees"),
        "On termination for convenience prepaid fees are not refunded except as set out in the refund policy in force on the date "
        "of purchase.",
    ),
    (
        "faq.md",
        None,
        ("Billing",),
        "Can I get my money back? Yes: within 30 days of buying an annual plan you get all of it back, no questions asked.",
    ),
    (
        "billing_service.py",
        None,
        ("class RefundWindow",),
        "REFUND_WINDOW_DAYS = 30\n\ndef refundable(purchase: Purchase, today: date) -> bool:\n"
        '    """Annual plans only: monthly plans end with the month."""\n'
        "    return purchase.plan.annual and (today - purchase.day).days <= REFUND_WINDOW_DAYS",
    ),
    (
        "meeting-notes-2024-11.txt",
        None,
        (),
        "Decided: the window goes from 14 to 30 days with the new price list in January. Marta updates the policy, Jonas the "
        "billing service. The old contracts keep the old window.",
    ),
    (
        "rueckerstattung.md",
        None,
        ("Erstattung",),
        "Jahresabonnements werden innerhalb von 30 Tagen nach dem Kauf vollständig erstattet. Danach werden die nicht genutzten "
        "Monate gutgeschrieben.",
    ),
    (
        "onboarding-checklist.docx",
        None,
        ("First week",),
        "Give the new colleague access to the ticket queue, the handbook and the billing console. Refunds above 1,000 euros need a "
        "second pair of eyes.",
    ),
    (
        "quarterly-report-2025-q1.pdf",
        7,
        ("Churn",),
        "Refunds rose from 1.1 to 1.9 per cent of annual contracts after the window was extended; churn in month two fell by a third.",
    ),
    (
        "security-whitepaper.pdf",
        4,
        ("Data at rest",),
        "All customer data is encrypted at rest with keys that are rotated every 90 days.",
    ),
    (
        "api-reference.md",
        None,
        ("POST /v2/refunds",),
        "Creates a refund. Fails with 409 when the purchase lies outside the refund window.",
    ),
    (
        "release-notes.md",
        None,
        ("4.2",),
        "The refund button is greyed out, with the reason, when a purchase can no longer be refunded.",
    ),
    ("brand-guide.pdf", 9, ("Tone",), "We say money back, not reimbursement. We never say unfortunately."),
    (
        "gateway-manual.pdf",
        31,
        ("Warranty",),
        "The warranty runs for 24 months from the date of purchase and covers material and workmanship.",
    ),
    (
        "travel-expenses.pdf",
        2,
        ("Claims",),
        "Expenses are refunded to employees within ten days after the claim has been approved.",
    ),
)

DENSE = (
    0.812,
    0.797,
    0.644,
    0.561,
    0.588,
    0.602,
    0.774,
    0.498,
    0.571,
    0.533,
    0.402,
    0.455,
    0.121,
    0.478,
    0.466,
    0.214,
    0.301,
    0.429,
)
KEYWORD = (11.8, 14.6, 6.2, 8.9, 9.4, 7.7, 12.1, 3.3, 5.1, 0.0, 2.8, 6.9, 0.0, 7.1, 6.6, 0.9, 4.2, 5.8)
RERANK = (
    0.934,
    0.741,
    0.655,
    0.512,
    0.538,
    0.690,
    0.958,
    0.604,
    0.497,
    0.702,
    0.355,
    0.471,
    0.108,
    0.520,
    0.449,
    0.231,
    0.289,
    0.402,
)
PROMPT = (
    "[system]\nAnswer from the passages alone and cite them.\n\n[user]\n<passage 1>\n{text}\n</passage>\n\n{question}"
)
QUESTION = "How long do customers have to ask for a refund of an annual plan?"


def _ranks(scores: Sequence[float], listed: int) -> list[int | None]:
    """1-based ranks, best first; None past `listed` or where nothing matched."""
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    place = {i: rank for rank, i in enumerate(order, 1)}
    return [place[i] if place[i] <= listed and scores[i] > 0 else None for i in range(len(scores))]


def _scaled(scores: Sequence[float]) -> list[float]:
    low, high = min(scores), max(scores)
    return [(s - low) / (high - low) for s in scores]


def chunk(number: int) -> Chunk:
    title, page, section, text = PASSAGES[number]
    start = 400 * number + 37
    return Chunk(
        id=f"{number:016x}",
        document_id=f"doc{number:02d}",
        build_id="build-1",
        ordinal=number,
        start=start,
        end=start + len(text),
        text=text,
        context=" > ".join((title, *section)),
        page=page,
        section=section,
        tokens=len(text) // 4,
        key=number + 1,
    )


def candidates(settings: RetrievalSettings) -> tuple[Candidate, ...]:
    """In final order."""
    w = settings.weight
    fused = [w * d + (1 - w) * k for d, k in zip(_scaled(DENSE), _scaled(KEYWORD), strict=True)]
    dense_rank, keyword_rank = _ranks(DENSE, 16), _ranks(KEYWORD, 16)
    fused_rank, rerank_rank = _ranks(fused, 99), _ranks(RERANK, 14)
    found = []
    for i, (title, page, _, _) in enumerate(PASSAGES):
        stages: dict[StageName, StageScore] = {}
        if settings.mode != "keyword":
            stages["dense"] = StageScore(dense_rank[i], DENSE[i])
        if settings.mode != "dense":
            stages["keyword"] = StageScore(keyword_rank[i], KEYWORD[i])
        stages["fused"] = StageScore(fused_rank[i], fused[i])
        if settings.rerank != "none" and rerank_rank[i] is not None:
            stages["rerank"] = StageScore(rerank_rank[i], RERANK[i])
        found.append(
            Candidate(
                chunk(i), title, f"/home/marta/policies/{title}", f"{i:064x}", stages, None, str(page) if page else ""
            )
        )
    last: StageName = "rerank" if settings.rerank != "none" else "fused"

    def place(c: Candidate) -> tuple[int, int]:
        if last in c.stages:
            return (0, c.stages[last].rank or 999)
        return (1, c.stages["fused"].rank or 999)

    found.sort(key=place)
    return tuple(replace(c, marker=i + 1) if i < 5 else c for i, c in enumerate(found))


def citation(marker: int, c: Candidate, quote: str, verdict: Verdict, score: float) -> Citation:
    start = c.chunk.start + c.chunk.text.index(quote)
    return Citation(
        marker=marker,
        document_id=c.chunk.document_id,
        document_title=c.document_title,
        path=c.document_path,
        content_hash=c.content_hash,
        page=c.chunk.page,
        section=c.chunk.section,
        chunk_id=c.chunk.id,
        start=start,
        end=start + len(quote),
        quote=quote,
        verdict=verdict,
        score=score,
    )


def answer(found: Sequence[Candidate]) -> Answer:
    by_title = {c.document_title: c for c in found}
    parts: list[tuple[str, tuple[int, ...], Verdict]] = [
        (
            "Customers have **30 days** from the day of purchase to ask for a full refund of an annual plan [2].",
            (2,),
            "supported",
        ),
        (" Annual plans can be refunded in full within 30 days of purchase [2].", (2,), "verbatim"),
        (" Most people ask in the first week [4].", (4,), "weak"),
        (" A manager has to sign each refund.", (), "unsupported"),
        ("\n\n- After that, the unused months are credited and the credit lasts `24` months [2].", (2,), "supported"),
        ("\n- Contracts signed before 1 January 2025 keep the old window of 14 days [3].", (3,), "supported"),
    ]
    text, sentences = "", []
    for part, markers, verdict in parts:
        start = len(text) + len(part) - len(part.lstrip(" \n-"))
        text += part
        sentences.append(Sentence(text[start:], start, len(text), markers, verdict))
    policy, old, german = (
        by_title["refund-policy-2025.pdf"],
        by_title["refund-policy-2023.pdf"],
        by_title["rueckerstattung.md"],
    )
    return Answer(
        text=text,
        llm="ollama:llama3.2:3b",
        declined=False,
        citations=(
            citation(2, policy, "Annual plans can be refunded in full within 30 days of purchase.", "verbatim", 1.0),
            citation(3, old, "This policy applies to contracts signed before 1 January 2025.", "supported", 0.81),
            citation(
                4,
                german,
                "Jahresabonnements werden innerhalb von 30 Tagen nach dem Kauf vollständig erstattet.",
                "weak",
                0.44,
            ),
        ),
        sentences=tuple(sentences),
        removed_markers=(9,),
        prompt_tokens=1314,
        output_tokens=118,
    )


def trace(
    settings: RetrievalSettings | None = None, *, question: str = QUESTION, answered: bool = True, ident: str = "t-0001"
) -> Trace:
    settings = settings or RetrievalSettings()
    found = candidates(settings)
    timings = [
        StageTiming("embed", 9.4, "all-MiniLM-L6-v2, 15 tokens"),
        StageTiming("dense", 1.2, "exact scan of 812 vectors"),
        StageTiming("keyword", 0.6, "tantivy, 6 terms"),
        StageTiming("fuse", 0.4, "convex 0.6 over 18 candidates"),
        StageTiming("rerank", 164.0, "late interaction over 14 passages"),
        StageTiming("select", 0.3, "5 passages, 612 of 3000 tokens"),
        StageTiming("prompt", 0.1, ""),
        StageTiming("write", 2310.0, "118 tokens, 51 a second"),
        StageTiming("verify", 42.0, "6 sentences"),
    ]
    scales = {"dense": "cosine", "keyword": "BM25", "fused": f"convex {settings.weight:g}", "rerank": "MaxSim"}
    if settings.fusion == "rrf":
        scales["fused"] = "RRF"
    if settings.rerank == "none":
        timings = [t for t in timings if t.name != "rerank"]
    if not answered:
        timings = [t for t in timings if t.name not in ("write", "verify", "prompt", "select")]
        found = tuple(replace(c, marker=None) for c in found)
    return Trace(
        id=ident,
        created="2025-03-04T10:22:31+00:00",
        collection="policies",
        build_id="build-1",
        generation=7,
        model_id="all-MiniLM-L6-v2@53aa5117/384/mean/fp32",
        question=question,
        query=question,
        settings=settings,
        candidates=found,
        timings=tuple(timings),
        scales=scales,
        matched_terms=("long", "custom", "ask", "refund", "annual", "plan"),
        notes=(),
        prompt=PROMPT.format(text=found[0].chunk.text, question=question) if answered else "",
        answer=answer(found) if answered else None,
    )


def declined() -> Trace:
    base = trace(question="Who won the 1998 chess olympiad?", ident="t-0002")
    text = "I found nothing about that in your documents."
    return replace(base, answer=Answer(text, "extractive", True, (), (), notice=NOTICE))


NOTICE = "No language model is running, so the best sentences are quoted. Start one: ollama serve, then ollama pull llama3.2:3b"


def broken_off() -> Trace:
    base = trace(ident="t-0003")
    assert base.answer is not None
    part = base.answer.text[:98]
    return replace(
        base,
        answer=replace(
            base.answer,
            text=part,
            sentences=(),
            complete=False,
            error="Ollama closed the connection",
            hint="press r to ask again",
        ),
    )


def hostile() -> Trace:
    """The same trace with hostile text in every string a view could show."""
    base = trace(question=HOSTILE, ident="t-0666")
    assert base.answer is not None

    def spoil(c: Candidate) -> Candidate:
        text = HOSTILE + " " + c.chunk.text
        made = replace(
            c.chunk, text=text, end=c.chunk.start + len(text), section=(HOSTILE, *c.chunk.section), context=HOSTILE
        )
        return replace(c, chunk=made, document_title=HOSTILE, document_path="/tmp/" + HOSTILE, page_label=HOSTILE)

    def spoil_citation(c: Citation) -> Citation:
        return replace(c, document_title=HOSTILE, path=HOSTILE, section=(HOSTILE,), quote=HOSTILE)

    text = (
        f"# {HOSTILE}\n\n{HOSTILE} [2].\n\n```{HOSTILE}\n{HOSTILE}\n```\n\n| {HOSTILE} | b |\n|---|---|\n| 1 | {HOSTILE} |\n\n"
        + (f"[{HOSTILE}](javascript:{HOSTILE}) ![{HOSTILE}](file:///etc/passwd) <b>{HOSTILE}</b>")
    )
    return replace(
        base,
        candidates=tuple(spoil(c) for c in base.candidates),
        timings=tuple(replace(t, name=HOSTILE, detail=HOSTILE) for t in base.timings),
        scales=dict.fromkeys(base.scales, HOSTILE),
        matched_terms=(HOSTILE, "refund"),
        notes=(HOSTILE,),
        prompt=HOSTILE,
        answer=replace(
            base.answer,
            text=text,
            llm=HOSTILE,
            citations=tuple(spoil_citation(c) for c in base.answer.citations),
            sentences=(Sentence(text[:20], 0, 20, (2,), "weak"),),
            notice=HOSTILE,
            error=HOSTILE,
            hint=HOSTILE,
            complete=False,
        ),
    )


def _positions(count: int) -> list[tuple[float, float]]:
    """Points in seven clouds on the unit square."""
    draw = random.Random(7)
    centres = [(0.2, 0.25), (0.42, 0.7), (0.75, 0.3), (0.8, 0.78), (0.5, 0.42), (0.15, 0.8), (0.6, 0.12)]
    points = []
    for i in range(count):
        x, y = centres[i % len(centres)]
        points.append((min(1.0, max(0.0, draw.gauss(x, 0.07))), min(1.0, max(0.0, draw.gauss(y, 0.07)))))
    return points


NODES = 420
_POINTS = _positions(NODES)
_UPPER = {0: range(NODES), 1: range(0, NODES, 14), 2: range(0, NODES, 140)}


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return math.dist(a, b)


def _links(level: int, m: int) -> dict[int, list[int]]:
    members = list(_UPPER[level])
    return {
        i: sorted((j for j in members if j != i), key=lambda j: _distance(_POINTS[i], _POINTS[j]))[:m] for i in members
    }


_LINKS = {0: _links(0, 8), 1: _links(1, 4), 2: _links(2, 2)}


def layer_map(level: int = 0) -> LayerMap:
    """Keys are node number + 1."""
    members = list(_UPPER[level])
    index = {node: i for i, node in enumerate(members)}
    edges = {tuple(sorted((index[a], index[b]))) for a, near in _LINKS[level].items() for b in near}
    return LayerMap(
        level,
        tuple(n + 1 for n in members),
        tuple(_POINTS[n] for n in members),
        tuple(sorted((a, b) for a, b in edges)),
        len(members),
    )


PLACE = (0.71, 0.33)
MISSING = (0.01, 0.51)
"""Where a query with ef 40 misses four of the ten nearest: three are found from ef 61, one cannot be reached."""


def neighbours(key: int, level: int) -> list[tuple[int, float]]:
    near = _LINKS.get(level, {}).get(key - 1, [])
    return [(n + 1, 1 - _distance(_POINTS[key - 1], _POINTS[n])) for n in near]


def walk(question: str = QUESTION, query: tuple[float, float] = PLACE, k: int = 10, ef: int = 24) -> Walk:
    """A real greedy descent and beam search over the fixture's graph, distances measured on the plane."""
    steps: list[WalkStep] = []
    computed = {0}
    here = 0
    near = _distance(_POINTS[0], query)
    steps.append(WalkStep(2, "enter", 1, near, ((1, near),), near))
    for level in (2, 1):
        moved = True
        while moved:
            moved = False
            fresh = [n for n in _LINKS[level][here] if n not in computed]
            computed.update(fresh)
            seen = tuple((n + 1, _distance(_POINTS[n], query)) for n in fresh)
            steps.append(WalkStep(level, "expand", here + 1, near, seen, near))
            best = min(_LINKS[level][here], key=lambda n: _distance(_POINTS[n], query))
            if _distance(_POINTS[best], query) < near:
                here, near, moved = best, _distance(_POINTS[best], query), True
        steps.append(WalkStep(level - 1, "descend", here + 1, near, (), near))
    beam = [(near, here)]
    todo = [(near, here)]
    seen_here = {here}
    while todo:
        todo.sort()
        distance, node = todo.pop(0)
        if len(beam) >= ef and distance > max(beam)[0]:
            steps.append(WalkStep(0, "stop", node + 1, distance, (), max(beam)[0]))
            break
        fresh = [n for n in _LINKS[0][node] if n not in seen_here]
        seen_here.update(fresh)
        computed.update(fresh)
        visited = []
        for n in fresh:
            d = _distance(_POINTS[n], query)
            visited.append((n + 1, d))
            if len(beam) < ef or d < max(beam)[0]:
                beam.append((d, n))
                todo.append((d, n))
                beam = sorted(beam)[:ef]
        steps.append(WalkStep(0, "expand", node + 1, distance, tuple(visited), max(beam)[0]))
    results = tuple((n + 1, 1 - d) for d, n in sorted(beam)[:k])
    every = sorted((_distance(_POINTS[n], query), n) for n in range(NODES))
    return Walk(
        question, ef, tuple(steps), results, tuple((n + 1, 1 - d) for d, n in every[:k]), len(computed), NODES, query
    )


def graph_summary(**changes: object) -> GraphSummary:
    layers = []
    for level, links in _LINKS.items():
        degrees = [len(near) for near in links.values()]
        histogram = {d: degrees.count(d) for d in sorted(set(degrees))}
        if level == 0:
            histogram = {2: 4, 3: 11, 4: 29, 5: 51, 6: 88, 7: 104, 8: 77, 9: 40, 10: 12, 12: 3, 16: 1}
        layers.append(
            LayerSummary(level, len(links), sum(degrees), sum(degrees) / len(degrees), max(histogram), histogram)
        )
    summary = GraphSummary(
        nodes=NODES,
        deleted=3,
        layers=tuple(layers),
        m=16,
        ef_construction=200,
        entry=1,
        answers_queries=False,
        exact_limit=20_000,
        ready=True,
        generation=7,
        bytes=1_482_240,
    )
    return replace(summary, **changes)  # type: ignore[arg-type]
