"""Which file endings are source code, and in which language."""

# ruff: noqa: E501
# Tables: a pair of names reads best beside its neighbours.

from __future__ import annotations

CODE_ENDINGS: dict[str, str] = {
    ".py": "Python", ".pyi": "Python", ".pyx": "Cython", ".js": "JavaScript", ".mjs": "JavaScript", ".cjs": "JavaScript",
    ".jsx": "JavaScript", ".ts": "TypeScript", ".tsx": "TypeScript", ".java": "Java", ".kt": "Kotlin", ".kts": "Kotlin", ".scala": "Scala",
    ".groovy": "Groovy", ".gradle": "Groovy", ".clj": "Clojure", ".c": "C", ".h": "C", ".cc": "C++", ".cpp": "C++", ".cxx": "C++",
    ".hpp": "C++", ".hh": "C++", ".cs": "C#", ".fs": "F#", ".vb": "Visual Basic", ".go": "Go", ".rs": "Rust", ".swift": "Swift",
    ".m": "Objective-C", ".mm": "Objective-C", ".rb": "Ruby", ".php": "PHP", ".pl": "Perl", ".pm": "Perl", ".lua": "Lua", ".r": "R",
    ".jl": "Julia", ".hs": "Haskell", ".ml": "OCaml", ".mli": "OCaml", ".elm": "Elm", ".ex": "Elixir", ".exs": "Elixir", ".erl": "Erlang",
    ".lisp": "Lisp", ".el": "Emacs Lisp", ".scm": "Scheme", ".rkt": "Racket", ".nim": "Nim", ".zig": "Zig", ".d": "D", ".dart": "Dart",
    ".f90": "Fortran", ".f": "Fortran", ".pas": "Pascal", ".ada": "Ada", ".adb": "Ada", ".cob": "COBOL", ".asm": "Assembly", ".s": "Assembly",
    ".sh": "Shell", ".bash": "Shell", ".zsh": "Shell", ".fish": "Shell", ".ps1": "PowerShell", ".bat": "Batch", ".cmd": "Batch",
    ".sql": "SQL", ".graphql": "GraphQL", ".proto": "Protocol Buffers", ".thrift": "Thrift", ".css": "CSS", ".scss": "SCSS", ".sass": "Sass",
    ".less": "Less", ".vue": "Vue", ".svelte": "Svelte", ".tf": "Terraform", ".hcl": "HCL", ".nix": "Nix", ".cmake": "CMake",
    ".mk": "Makefile", ".dockerfile": "Dockerfile", ".vim": "Vim script", ".awk": "AWK", ".sed": "sed", ".tcl": "Tcl", ".sol": "Solidity",
    ".glsl": "GLSL", ".cu": "CUDA", ".v": "Verilog", ".sv": "SystemVerilog", ".vhd": "VHDL", ".tcss": "CSS", ".bzl": "Starlark",
}  # fmt: skip

CODE_NAMES: dict[str, str] = {
    "Makefile": "Makefile", "makefile": "Makefile", "GNUmakefile": "Makefile", "Dockerfile": "Dockerfile", "Containerfile": "Dockerfile",
    "Jenkinsfile": "Groovy", "Vagrantfile": "Ruby", "Rakefile": "Ruby", "Gemfile": "Ruby", "Procfile": "Procfile", "Justfile": "Just",
    "justfile": "Just", "CMakeLists.txt": "CMake", "BUILD": "Starlark", "WORKSPACE": "Starlark", "Brewfile": "Ruby",
}  # fmt: skip

DATA_ENDINGS: dict[str, str] = {
    ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".ini": "INI", ".cfg": "INI", ".conf": "configuration",
    ".properties": "properties", ".xml": "XML",
}  # fmt: skip
"""Settings and small data: read as text while they are small."""
