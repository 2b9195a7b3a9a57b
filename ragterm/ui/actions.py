"""Every action of the app, once: the source of key bindings, the footer, the command palette and the help panel.

An action's `id` is its name in `config.toml` ([interface.keys], `"chat.copy" = "ctrl+y"`). `handler` is the
Textual action that does it, looked up on the node of its `scope`: the app, a pane (`documents`, `chat`,
`inspector`, `layers`) or a screen. Keys that terminals and editors take (ctrl+j/m/h/i, ctrl+e/k/q, F1, F5, F6)
never stand alone. Keys that must work while a prompt has the focus are `priority`; letters and digits are not,
so that one can type them.
"""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding

from ragterm.ui.action import Action

ACTIONS: tuple[Action, ...] = (
    # The app: pane switching works everywhere. alt+digit where the terminal sends it, function keys elsewhere.
    Action(
        "app.documents",
        "Documents",
        "Collections, documents and the ledger of the ingest",
        "alt+1,f2",
        "show('documents')",
        priority=True,
    ),
    Action(
        "app.chat", "Chat", "Ask, and read the answer with its citations", "alt+2,f3", "show('chat')", priority=True
    ),
    Action(
        "app.inspector",
        "Inspector",
        "What each retrieval stage found and moved",
        "alt+3,f4",
        "show('inspector')",
        priority=True,
    ),
    Action(
        "app.layers",
        "Layers",
        "The graph of the vector index and the walk through it",
        "alt+4,f7",
        "show('layers')",
        priority=True,
    ),
    Action("app.documents_digit", "Documents", "Show Documents", "1", "show('documents')", palette=False),
    Action("app.chat_digit", "Chat", "Show Chat", "2", "show('chat')", palette=False),
    Action("app.inspector_digit", "Inspector", "Show Inspector", "3", "show('inspector')", palette=False),
    Action("app.layers_digit", "Layers", "Show Layers", "4", "show('layers')", palette=False),
    Action("app.next", "Next pane", "Show the next pane", "ctrl+t", "next_pane", priority=True),
    Action(
        "app.palette",
        "Palette",
        "Find any command by its name",
        "ctrl+p",
        "command_palette",
        show=True,
        priority=True,
        palette=False,
    ),
    Action(
        "app.help",
        "Help",
        "The keys of what has the focus, and what it is for",
        "ctrl+g,question_mark",
        "help",
        show=True,
    ),
    Action("app.theme", "Change theme", "Preview and choose the colours", "f9", "choose_theme", priority=True),
    Action(
        "app.add",
        "Add files or folders",
        "Type or paste the path of what to ingest",
        "ctrl+o",
        "add_paths",
        priority=True,
    ),
    Action(
        "app.quit",
        "Quit",
        "Leave ragterm; an ingest under way resumes next time",
        "ctrl+q",
        "request_quit",
        priority=True,
    ),
    Action(
        "app.interrupt",
        "Stop or quit",
        "Copy what is selected, else stop the answer under way; pressed twice: quit",
        "ctrl+c,super+c",
        "interrupt",
        palette=False,
    ),
    Action("app.collection", "Switch collection", "Choose the collection to work on", "ctrl+b", "pick_collection"),
    Action("app.new_collection", "New collection", "Create a collection", "", "new_collection"),
    Action("app.unlimit", "Ask all documents", "Questions look into all documents again", "", "unlimit"),
    Action("app.download_reranker", "Download the cross-encoder", "A finer reranker; asks", "", "download_reranker"),
    Action("app.checkup", "Doctor", "Check models, indexes, disk and language model", "", "checkup"),
    Action(
        "app.forget_traces", "Delete all traces", "Of every collection; the documents stay", "", "delete_data('traces')"
    ),
    Action("app.forget_caches", "Delete caches", "Exported models; they are made again", "", "delete_data('caches')"),
    Action("app.forget", "Delete everything", "Collections, traces and caches", "", "delete_data('everything')"),
    Action("app.screenshot", "Screenshot", "Save a picture (SVG) of the screen", "", "save_screenshot"),
    # Documents
    Action(
        "documents.add",
        "Add",
        "Type or paste the path of what to ingest",
        "a",
        "app.add_paths",
        show=True,
        palette=False,
    ),
    Action(
        "documents.samples", "Load samples", "Ingest the sample documents that come with ragterm", "s", "load_samples"
    ),
    Action(
        "documents.filter",
        "Filter",
        "Show only documents whose title or path holds these words",
        "slash",
        "filter",
        show=True,
    ),
    Action("documents.sort", "Sort", "Sort by the next column", "o", "sort"),
    Action("documents.open", "Read", "Read the document's text", "enter", "open", show=True),
    Action("documents.ask", "Ask about", "Limit questions to the marked documents", "l", "limit"),
    Action(
        "documents.mark",
        "Mark",
        "Mark the document for removal, re-ingest or a limited question",
        "space",
        "mark",
        show=True,
    ),
    Action(
        "documents.remove",
        "Remove",
        "Remove the marked documents from the collection (the files stay)",
        "delete,x",
        "remove",
        show=True,
    ),
    Action(
        "documents.restore", "Undo removal", "Put back what was removed last (until the next start)", "u", "restore"
    ),
    Action(
        "documents.follow",
        "Follow folders",
        "Keep the collection in step with its folders while ragterm is open",
        "w",
        "follow",
    ),
    Action("documents.reingest", "Re-ingest", "Read the marked documents again from disk", "r", "reingest", show=True),
    Action(
        "documents.retry_failed", "Retry failed", "Read every failed document again", "R", "retry_failed", show=True
    ),
    Action(
        "documents.compare",
        "Compare chunking",
        "Cut the marked documents by several strategies, side by side",
        "h",
        "compare",
    ),
    Action("documents.unlock", "Password", "Open password-protected documents", "P", "unlock", show=True),
    Action("documents.pause", "Pause", "Pause or go on with the ingest", "p", "pause", show=True),
    Action("documents.cancel", "Cancel ingest", "Stop the ingest; what is indexed stays", "c", "cancel", show=True),
    Action("documents.new", "New collection", "Create a collection", "n", "new_collection"),
    Action(
        "documents.drop",
        "Delete collection",
        "Delete the current collection with its index, traces and chats",
        "shift+delete,D",
        "delete_collection",
    ),
    Action("documents.ledger", "Ledger", "Show or hide the ledger of the last ingest", "e", "ledger"),
    Action("documents.switch", "Switch collection", "Choose another collection", "v", "app.pick_collection"),
    # The ledger, while it has the focus
    Action(
        "ledger.filter",
        "Filter",
        "Show only files of this name, kind, state or reason",
        "slash",
        "filter",
        palette=False,
    ),
    Action("ledger.sort", "Sort", "Sort by the next column", "o", "sort", show=True, palette=False),
    Action(
        "ledger.open",
        "Look at",
        "The document with its chunks, or why it failed",
        "enter",
        "open",
        show=True,
        palette=False,
    ),
    Action("ledger.mark", "Mark", "Mark the file for another try", "space", "mark", palette=False),
    Action("ledger.retry", "Try again", "Read the marked files again", "r", "retry", show=True, palette=False),
    # Dialogs
    Action("dialog.close", "Close", "Close without doing anything", "escape", "close", show=True, palette=False),
    Action("confirm.no", "No", "Do nothing", "escape,n", "answer(False)", show=True, palette=False),
    Action("confirm.yes", "Yes", "Do it", "y", "answer(True)", show=True, palette=False),
    Action("confirm.other", "Other button", "Go to the other button", "left,right", "other", palette=False),
    Action("error.close", "Close", "Close the message", "escape,q", "close", show=True, palette=False),
    Action("error.copy", "Copy", "Copy the message with all details", "c", "copy", show=True, palette=False),
    Action("source.close", "Close", "Back to where you were", "escape,q", "close", show=True, palette=False),
    Action("source.back", "Back to span", "Scroll to the highlighted span", "b", "back", show=True, palette=False),
    Action("source.copy", "Copy", "Copy the highlighted span", "c,y", "copy", show=True, palette=False),
    # The preview of a document
    Action("preview.close", "Close", "Back to where you were", "escape,q", "close", show=True, palette=False),
    Action("preview.next", "Next chunk", "Go to the next chunk", "n,right", "chunk(1)", show=True, palette=False),
    Action(
        "preview.previous", "Previous chunk", "Go to the chunk before", "p,left", "chunk(-1)", show=True, palette=False
    ),
    Action(
        "preview.page_down", "Next page", "Turn to the next page", "pagedown", "page(1)", priority=True, palette=False
    ),
    Action(
        "preview.page_up", "Previous page", "Turn back one page", "pageup", "page(-1)", priority=True, palette=False
    ),
    Action("preview.picture", "Page", "Show or hide the picture of the page", "i", "picture", show=True, palette=False),
    Action("preview.open", "Open", "Open the file in its own program", "o", "open_file", show=True, palette=False),
    Action("preview.copy", "Copy", "Copy the chunk", "c,y", "copy", show=True, palette=False),
    # Chat
    Action(
        "chat.leave",
        "Stop / answers",
        "Stop the answer under way; else go between prompt and answers",
        "escape",
        "leave",
        show=True,
    ),
    Action("chat.copy", "Copy", "Copy the answer with its citations", "y", "copy_answer", show=True),
    Action("chat.quote", "Copy quote", "Copy the quote of the chosen citation", "Y", "copy_quote"),
    Action("chat.inspect", "Why", "Open this answer's trace in the Inspector", "i", "inspect", show=True),
    Action("chat.walk", "Walk", "Show in Layers how the graph is searched for this question", "g", "walk"),
    Action("chat.prompt", "Prompt", "The exact text that the model received", "c", "show_prompt", show=True),
    Action("chat.retry", "Ask again", "Ask the same question once more", "r", "retry", show=True),
    Action("chat.unlimit", "All documents", "Questions look into all documents again", "u", "unlimit"),
    Action(
        "chat.new", "New conversation", "Forget this conversation (its traces stay)", "ctrl+l", "new", priority=True
    ),
    # Inspector
    Action("inspector.query", "Query", "Type a query to inspect", "slash", "query", show=True),
    Action("inspector.leave", "Back", "To the candidates; from the query to the table", "escape", "leave"),
    Action(
        "inspector.moves",
        "Before/after",
        "Both orders side by side: what the reranker moved",
        "b",
        "view('moves')",
        show=True,
    ),
    Action("inspector.times", "Timings", "Where the time went, step by step", "t", "view('times')", show=True),
    Action("inspector.history", "History", "The questions asked before", "h", "view('history')", show=True),
    Action("inspector.sort", "Sort", "Sort by the next stage", "s", "sort"),
    Action(
        "inspector.mode", "Mode", "Search again: hybrid, dense only, keyword only", "m", "setting('mode')", show=True
    ),
    Action("inspector.fusion", "Fusion", "Search again: convex mixture or reciprocal ranks", "f", "setting('fusion')"),
    Action(
        "inspector.more",
        "More dense",
        "Search again with more weight on the dense scores",
        "plus,equals_sign",
        "setting('more')",
    ),
    Action(
        "inspector.less", "Less dense", "Search again with less weight on the dense scores", "minus", "setting('less')"
    ),
    Action(
        "inspector.rerank",
        "Reranker",
        "Search again with the next reranker, or none",
        "r",
        "setting('rerank')",
        show=True,
    ),
    Action(
        "inspector.depth", "Depth", "Search again: how many candidates each retriever lists", "d", "setting('depth')"
    ),
    Action("inspector.larger", "Larger k", "Keep more results", "greater_than_sign", "setting('larger')"),
    Action("inspector.smaller", "Smaller k", "Keep fewer results", "less_than_sign", "setting('smaller')"),
    Action(
        "inspector.original", "As it was", "The trace as it was opened, before settings were changed", "o", "original"
    ),
    Action("inspector.walk", "Walk", "Show in Layers how the graph is searched for this query", "g", "walk"),
    Action("inspector.prompt", "Prompt", "The exact text that the model received", "c", "show_prompt"),
    Action("inspector.delete", "Delete", "Delete the chosen trace from the history", "x,delete", "delete_trace"),
    Action(
        "inspector.clear",
        "Delete all",
        "Delete every trace of this collection (asks by wanting the key twice)",
        "X",
        "delete_all",
    ),
    # Layers
    Action("layers.query", "Query", "Type a query whose walk is shown", "slash", "query", show=True),
    Action("layers.leave", "Back", "From the query to the map; between map and steps", "escape", "leave"),
    Action("layers.play", "Play", "Play the walk, or stop it", "space", "play", show=True),
    Action("layers.forward", "Step", "One step forward", "full_stop", "step(1)", show=True),
    Action("layers.back", "Step back", "One step back", "comma", "step(-1)", show=True),
    Action("layers.up", "Layer up", "The layer above", "right_square_bracket", "layer(1)", show=True),
    Action("layers.down", "Layer down", "The layer below", "left_square_bracket", "layer(-1)", show=True),
    Action("layers.edges", "Edges", "Edges of the walk, all edges, none", "e", "edges", show=True),
    Action(
        "layers.more",
        "Larger ef",
        "Walk again with a larger beam: more distances, fewer misses",
        "plus,equals_sign",
        "slide('ef', 1)",
    ),
    Action("layers.less", "Smaller ef", "Walk again with a smaller beam", "minus", "slide('ef', -1)"),
    Action("layers.more_k", "Larger k", "Walk again for more results", "greater_than_sign", "slide('k', 1)"),
    Action("layers.less_k", "Smaller k", "Walk again for fewer results", "less_than_sign", "slide('k', -1)"),
    Action("layers.steps", "Steps", "The walk step by step", "s", "view('steps')"),
    Action("layers.exact", "Exact hits", "The true nearest: found, or missed and why", "m", "view('exact')"),
    Action("layers.near", "Neighbours", "Walk the graph by hand: Enter follows a neighbour", "n", "view('near')"),
    Action("layers.health", "Health", "Unreachable nodes, hubs, duplicates", "h", "view('health')"),
    Action("layers.turn", "Turn", "The step at which the walk turned away from a missed node", "j", "turn"),
    Action("layers.retrace", "Retrace", "Back to the node before, when walking by hand", "backspace", "retrace"),
    Action("layers.open", "Read", "Read the chunk of the node under the cursor", "o", "open"),
    Action("layers.zoom_in", "Zoom in", "Look closer at the map", "z", "zoom(1)"),
    Action("layers.zoom_out", "Zoom out", "See more of the map", "x", "zoom(-1)"),
    Action("layers.fit", "Whole map", "See the whole map again", "f", "fit"),
    Action("layers.save", "Save map", "Write what is seen as SVG and DOT", "w", "save_map"),
    Action("layers.lesson", "Teach me", "Learn the search on ten points: predict each step", "t", "lesson", show=True),
    # Chunking compared
    Action("comparison.close", "Close", "Back to the documents", "escape", "close", show=True, palette=False),
    Action("comparison.left", "A", "The next strategy on the left", "a", "strategy(0)", show=True, palette=False),
    Action("comparison.right", "B", "The next strategy on the right", "b", "strategy(1)", show=True, palette=False),
    Action("comparison.difference", "Difference", "The next place cut otherwise", "d", "difference", palette=False),
    Action("comparison.next", "Next document", "The next document", "n", "document(1)", palette=False),
    Action("comparison.previous", "Previous document", "The document before", "p", "document(-1)", palette=False),
    Action("comparison.strategies", "Strategies", "Choose strategies and settings", "s", "strategies", palette=False),
    Action(
        "comparison.adopt",
        "Use A",
        "Cut the collection by the strategy on the left",
        "u",
        "adopt",
        show=True,
        palette=False,
    ),
    Action(
        "comparison.back",
        "Go back",
        "Back to the chunks before the last that was adopted",
        "r",
        "roll_back",
        palette=False,
    ),
    Action("comparison.questions", "Questions", "Measure with a file of questions", "q", "questions", palette=False),
    # The teaching mode
    Action("lesson.close", "Close", "Back to the layers", "escape,q", "close", show=True, palette=False),
    Action("lesson.onward", "None", "Nothing more is expanded on this layer", "d,enter", "onward", palette=False),
    Action("lesson.tell", "Tell me", "Take the step without a prediction", "space", "tell", palette=False),
    Action("lesson.again", "Once more", "Begin the exercise again", "r", "again", palette=False),
    Action("lesson.next", "Next", "The next exercise", "n,right", "exercise(1)", palette=False),
    Action("lesson.previous", "Previous", "The exercise before", "p,left", "exercise(-1)", palette=False),
    *(
        Action(f"lesson.v{n}", f"V{n}", f"V{n} is expanded next", str(n), f"predict({n})", palette=False)
        for n in range(10)
    ),
)


def actions_of(scope: str) -> list[Action]:
    return [one for one in ACTIONS if one.scope == scope]


def bindings(scope: str) -> list[Binding]:
    """The bindings of a scope, for a node's `BINDINGS`."""
    return [
        Binding(
            one.keys,
            one.handler,
            one.label,
            show=one.show,
            priority=one.priority,
            tooltip=one.tooltip,
            id=one.id,
        )
        for one in actions_of(scope)
        if one.keys  # those without a key are reached through the palette, or a key of the user's
    ]


def keyless() -> list[Action]:
    """The app's actions that have no key until the user gives them one."""
    return [one for one in ACTIONS if not one.keys]


def keymap(keys: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The user's keys by action id, and the ids that no action has."""
    known = {one.id for one in ACTIONS}
    return {id: keys[id] for id in keys if id in known}, sorted(set(keys) - known)
