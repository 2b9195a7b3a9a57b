"""What tree-sitter calls things: the grammars that are installed, and which of their nodes define, wrap, describe or hold code.

Node names are those of the grammars' `node-types.json` (tree-sitter.github.io). One table serves all languages: where two grammars use
a name, they mean the same by it.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import Any

# Language as `languages.py` names it: the module of its grammar and the function in it.
GRAMMARS: dict[str, tuple[str, str]] = {
    "Python": ("tree_sitter_python", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": (
        "tree_sitter_typescript",
        "language_tsx",
    ),  # a superset but for <T>x casts, which .ts files hardly have
    "Go": ("tree_sitter_go", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "Java": ("tree_sitter_java", "language"),
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
    "C#": ("tree_sitter_c_sharp", "language"),
    "Ruby": ("tree_sitter_ruby", "language"),
    "PHP": ("tree_sitter_php", "language_php"),
    "Shell": ("tree_sitter_bash", "language"),
}

# A node that defines something, and the word before its name; "" where the language has none: a function of C is "name()".
DEFINITIONS: dict[str, str] = {
    "class_definition": "class", "class_declaration": "class", "abstract_class_declaration": "class", "class_specifier": "class",
    "class": "class", "struct_specifier": "struct", "struct_item": "struct", "struct_declaration": "struct",
    "union_specifier": "union", "union_item": "union", "impl_item": "impl", "trait_item": "trait", "trait_declaration": "trait",
    "mod_item": "mod", "module": "module", "internal_module": "namespace", "namespace_definition": "namespace",
    "namespace_declaration": "namespace", "interface_declaration": "interface", "enum_declaration": "enum", "enum_item": "enum",
    "enum_specifier": "enum", "record_declaration": "record", "type_spec": "type", "type_alias_declaration": "type",
    "annotation_type_declaration": "@interface",
    "function_definition": "", "function_declaration": "function", "generator_function_declaration": "function",
    "function_item": "fn", "method_definition": "", "method_declaration": "", "constructor_declaration": "",
    "compact_constructor_declaration": "", "destructor_declaration": "", "method": "def", "singleton_method": "def",
    "macro_definition": "macro_rules!", "operator_declaration": "",
}  # fmt: skip

WORDS: dict[tuple[str, str], str] = {
    ("Python", "function_definition"): "def", ("PHP", "function_definition"): "function", ("Shell", "function_definition"): "function",
    ("Go", "function_declaration"): "func", ("Go", "method_declaration"): "func", ("PHP", "method_declaration"): "function",
}  # fmt: skip
"""Where a language has a word of its own."""

WRAPPERS = frozenset({
    "decorated_definition", "export_statement", "template_declaration", "ambient_declaration", "expression_statement",
    "type_declaration", "type_definition", "declaration", "lexical_declaration", "variable_declaration",
})  # fmt: skip
"""A node whose definition is one of its children."""

FUNCTION_VALUES = frozenset({
    "arrow_function", "function_expression", "generator_function", "function", "class",
})  # fmt: skip
"""`const f = (x) => ...`: the declarator is the definition."""

BODIES = frozenset({
    "block", "statement_block", "class_body", "declaration_list", "field_declaration_list", "body_statement",
    "compound_statement", "statement_list", "enum_body", "enum_body_declarations", "interface_body",
    "constructor_body", "do_group", "preproc_ifdef", "preproc_if", "preproc_else", "linkage_specification",
})  # fmt: skip
"""A node that only holds others."""

DESCRIPTIONS = frozenset({
    "comment", "line_comment", "block_comment", "attribute_item", "decorator", "attribute_list",
})  # fmt: skip
"""What stands before a definition and belongs to it."""


@functools.cache
def parser_of(language: str) -> Any | None:
    """A tree-sitter parser, None for a language without an installed grammar. Not safe for several threads at once."""
    if language not in GRAMMARS:
        return None
    module, function = GRAMMARS[language]
    try:
        from tree_sitter import Language, Parser

        return Parser(Language(getattr(import_module(module), function)()))
    except ImportError:
        return None
