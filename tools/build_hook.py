"""What hatchling does before it builds or installs the project: brings scripts and icons, compiles languages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class FrontendBuildHook(BuildHookInterface[Any]):
    """Found by hatchling, by what it is."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's names
        """Raises CannotGoOn where npm can bring nothing."""
        project = str(Path(self.root))
        sys.path.insert(0, project)
        try:
            from tools import frontend, translations  # noqa: PLC0415 - the build's Python does not know the project before

            frontend.ensure()
            translations.compile_all()
        finally:
            sys.path.remove(project)
