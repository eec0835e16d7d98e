"""Start Qt and OpenGL in a separate process, which may crash."""

from __future__ import annotations

import typer


def probe() -> None:
    """Write a line for each step that worked: binding, platform, opengl."""
    import qtpy

    typer.echo(f"binding={qtpy.API_NAME} {qtpy.QT_VERSION}")
    from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
    from qtpy.QtWidgets import QApplication

    application = QApplication([])
    typer.echo(f"platform={application.platformName()}")
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if context.create() and context.makeCurrent(surface):
        major, minor = context.format().version()
        context.doneCurrent()
        typer.echo(f"opengl={major}.{minor}")


if __name__ == "__main__":
    probe()
