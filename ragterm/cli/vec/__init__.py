"""`ragterm vec`: the vector database on its own, headless. One module for each kind of work; `group` names them all."""
