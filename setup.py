"""Builds dlslime_torch._C with CMake against the torch that is already installed. Metadata: pyproject.toml.

pip builds in an isolated environment that cannot import the torch of the environment it installs into, and torch is
deliberately not a build requirement (pip would download a second one, maybe another version). So torch is looked up
where the target interpreter keeps its packages, and its version is read from torch/version.py: it is never imported.

Two environment variables serve `make build`: DLSLIME_BUILD_DIR keeps CMake's folder between calls, and
DLSLIME_CMAKE_ARGS adds options. DLSLIME_NO_EXTENSION=1 installs the Python part and its entry points alone.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import shutil
import site
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
PYTHON_ONLY = bool(os.environ.get("DLSLIME_NO_EXTENSION"))
NO_TORCH = """
dlslime_torch is built against the torch it will run with, and none is installed for {python}.
Install one first, then try again:
    pip install torch==2.13.0
(An installer that builds outside the target environment, such as uv, also needs --no-build-isolation.)"""


def package_folders() -> Iterator[Path]:
    """Every folder in which the target interpreter may have torch, nearest first."""
    spec = importlib.util.find_spec("torch")  # builds that are not isolated see it directly
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent.parent
    for variables in (None, {"base": sys.base_prefix, "platbase": sys.base_prefix}):
        for scheme in (sysconfig.get_default_scheme(), *sysconfig.get_scheme_names()):
            if os.name not in scheme and scheme not in ("venv", "deb_system"):
                continue
            paths = sysconfig.get_paths(scheme, variables)
            yield from (Path(paths["platlib"]), Path(paths["purelib"]))
        if sys.prefix != sys.base_prefix and not venv_sees_system():
            return  # a closed venv: a torch outside of it will not be importable
    yield Path(site.getusersitepackages())


def venv_sees_system() -> bool:
    text = (Path(sys.prefix) / "pyvenv.cfg").read_text().lower()
    return any(line.replace(" ", "") == "include-system-site-packages=true" for line in text.splitlines())


def find_torch() -> tuple[Path, str] | None:
    """The torch package's folder and its public version, such as 2.13.0."""
    for folder in package_folders():
        version_file = folder / "torch" / "version.py"
        if not version_file.is_file() or not (folder / "torch" / "include" / "c10").is_dir():
            continue
        for node in ast.parse(version_file.read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__version__":
                return folder / "torch", str(ast.literal_eval(node.value)).partition("+")[0]
    return None


def require_torch() -> tuple[Path, str]:
    found = find_torch()
    if found is None:
        sys.exit(NO_TORCH.format(python=sys.executable))
    return found


def requirements() -> list[str]:
    if "sdist" in sys.argv or PYTHON_ONLY:
        return ["torch>=2.13"]
    major, minor = require_torch()[1].split(".")[:2]
    return [f"torch=={major}.{minor}.*"]  # c10d's classes change their layout in every minor release


class CMakeBuild(build_ext):
    def build_extension(self, ext: Extension) -> None:
        torch_root, torch_version = require_torch()
        build = Path(os.environ.get("DLSLIME_BUILD_DIR") or Path(self.build_temp) / "cmake").resolve()
        settings = {
            "CMAKE_BUILD_TYPE": "Release",
            "DLSLIME_TORCH": "ON",
            "DLSLIME_TORCH_ROOT": torch_root,
            "DLSLIME_TORCH_VERSION": torch_version,
            "DLSLIME_PYTHON_INCLUDE": sysconfig.get_paths()["include"],
            "DLSLIME_EXT_SUFFIX": sysconfig.get_config_var("EXT_SUFFIX"),
            "DLSLIME_OUTPUT_DIR": build / "package",
        }
        command = ["cmake", "--log-level=WARNING", "-S", str(ROOT), "-B", str(build)]
        command += [f"-D{name}={value}" for name, value in settings.items()]
        if shutil.which("ninja") and not (build / "CMakeCache.txt").exists():
            command += ["-G", "Ninja"]
        subprocess.run([*command, *os.environ.get("DLSLIME_CMAKE_ARGS", "").split()], check=True)
        jobs = str(len(os.sched_getaffinity(0)))
        subprocess.run(["cmake", "--build", str(build), "--target", "_C", "-j", jobs], check=True)
        # Copied from CMake's own folder: two builds for two torches must not take each other's output for theirs.
        output = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        output.mkdir(parents=True, exist_ok=True)
        for path in (build / "package").iterdir():
            shutil.copy2(path, output)
        self.built_for = output / "_built_for.py"

    def copy_extensions_to_source(self) -> None:  # in-place and editable builds
        super().copy_extensions_to_source()
        shutil.copy(self.built_for, ROOT / "dlslime_torch")


setup(
    ext_modules=[] if PYTHON_ONLY else [Extension("dlslime_torch._C", sources=[])],
    cmdclass={"build_ext": CMakeBuild},
    install_requires=requirements(),
    setup_requires=[name for name in ("cmake", "ninja") if shutil.which(name) is None],
)
