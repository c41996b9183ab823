"""What `t.explore()` and `net.explore()` do: open the page, write it, or show it in a notebook."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..checking.arguments import flags, positive
from ..checking.calls import call_example
from ..engines.batch import gathered_labels
from ..errors import ArgumentError, DataError, MissingPackageError, escaped
from ..graph.output_losses import network_loss
from ..layers.class_labels import check_number
from ..machine.forking import renew_in_forks
from ..showing.notebook import in_notebook, shell, tell
from ..showing.numbers import megabytes_text
from ..storage.files import write_bytes
from ..tracing.trace import Trace, trace
from .default_samples import usual_samples
from .document import saved_page
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..engines import Engine
    from ..graph import Graph
    from ..layers.loss_functions import AnyLoss
    from ..optimizers import Optimizer
    from .live import Live
    from .server import Server

LARGEST = 32 << 20
"""How many bytes a page in a notebook may have: more makes the notebook itself slow."""


class Explorer:
    """A page about a learning step; `with` closes it at the end.

    In a notebook it shows itself. Elsewhere it is served on this machine from the moment that its
    address is asked for.

    Args:
        session: the step.
        port: on 127.0.0.1; 0 for any that is free.
        live: the training that the page follows, if any.
    """

    def __init__(self, session: Session, *, port: int = 0, live: Live | None = None) -> None:
        self.session, self.live, self._port = session, live, port
        self._server: Server | None = None
        self._widget: Any = None
        self._shown = -1
        renew_in_forks(self._open)

    def _open(self) -> None:
        self._closed = threading.Event()

    @property
    def url(self) -> str:
        """The address that opens the page, with the token that it needs.

        Raises:
            ArgumentError: the port is taken, or the page was closed.
        """
        return self._served().url

    @property
    def network(self) -> Graph:
        """The session's own copy of the network, with every edit and update so far."""
        return self.session.network

    @property
    def trace(self) -> Trace:
        """The step as it is now."""
        return self.session.trace

    def seconds(self) -> float:
        """Processor time that was spent on the page's questions."""
        return 0.0 if self._server is None else self._server.seconds

    @classmethod
    def of(cls, traced: Trace, *, port: int = 0, **settings: Any) -> Explorer:
        """The page of a traced step; `settings` are those of `Session`."""
        return cls(Session(traced, **settings), port=port)

    def begin(
        self, *, open: bool, block: bool | None, save: str | os.PathLike[str] | None
    ) -> Explorer | Path:
        """What `Trace.explore` does: write the page, or show it, and wait for its end."""
        flags("explore", open=open, **({} if block is None else {"block": block}))
        if save is not None:
            self.save(save)
            return Path(save)
        if in_notebook():
            return self
        url = self.url
        if open:
            self.open()
        if not _interactive() if block is None else block:
            print(f"exploring at {url}\nCtrl-C ends it", flush=True)
            self.wait()
        return self

    def open(self) -> None:
        """Open the page in the browser; where there is none, its address is printed."""
        import webbrowser

        if not webbrowser.open(self._served().ticket()):
            tell(f"open {self.url} in a browser")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> int:
        """Write the page with its present numbers as one file that needs nothing from anywhere.

        Args:
            path: such as `step.html`.
            overwrite: whether a file that is there is replaced.

        Returns:
            How many bytes it has.

        Raises:
            ArgumentError: there is such a file, and it is not to be replaced.
            FileError: the file cannot be written; an older one stays as it was.
        """
        flags("save", overwrite=overwrite)
        target = Path(path)
        if target.exists() and not overwrite:
            raise ArgumentError(f"{target} is there already; choose another name, or overwrite it")
        content = saved_page(self.session).html.encode()
        write_bytes(target, content)
        return len(content)

    def wait(self) -> None:
        """Wait until Ctrl-C is pressed or somebody closes the page, and close it."""
        try:
            while not self._closed.wait(0.5):  # an endless wait would not hear Ctrl-C everywhere
                pass
        except KeyboardInterrupt:
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Stop serving; what was edited stays in `network`. Twice is once."""
        self._closed.set()
        if self.live is not None:
            self.live.close()
        if self._server is not None:
            self._server.close()

    def _served(self) -> Server:
        if self._closed.is_set():
            raise ArgumentError("this page was closed; explore() opens another one")
        if self._server is None:
            from .server import Server

            self._server = Server(self.session, self._port, self.live)
        return self._server

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        count = len(self.session.x)
        step = f"{self.session.title!r}, {count} sample{'s' * (count != 1)}"
        if self._closed.is_set():
            return f"Explorer({step}, closed)"
        where = "not served yet" if self._server is None else self.url
        return f"Explorer({step}, {where})"

    @property
    def widget(self) -> Any:
        """The page as a Jupyter widget, whose `pinned` lists the elements that are pinned on it.

        Raises:
            MissingPackageError: anywidget is not there.
            DataError: the page is too large for a notebook.
        """
        from .widget import widget_class

        made = widget_class()
        if self._shown != self.session.version:
            page = self._page()
            if self._widget is None:
                self._widget = made(html=page, title=self.session.title)
            else:
                self._widget.html = page
            self._shown = self.session.version
        return self._widget

    def _page(self) -> str:
        """The page for a notebook.

        Raises:
            DataError: it is too large.
        """
        page = saved_page(self.session).html
        if len(page) > LARGEST:
            raise DataError(
                f"this page would add {megabytes_text(len(page))} to the notebook; explore fewer "
                "samples, open() it in the browser, or save() it"
            )
        return page

    def _repr_html_(self) -> str | None:
        """A frame with the page in it; None where anywidget shows the page instead."""
        from .widget import frame, widget_class

        try:
            widget_class()
        except MissingPackageError:
            try:
                return frame(self._page(), self.session.title)
            except DataError as cause:
                return f"<p>{escaped(str(cause))}</p>"
        return None

    def _repr_mimebundle_(self, **wanted: Any) -> Any:
        """The widget in a notebook, or a frame where anywidget is missing; else text alone."""
        plain = {"text/plain": repr(self)}
        if not in_notebook():
            return plain
        try:
            return self.widget._repr_mimebundle_(**wanted)
        except MissingPackageError:
            return plain | {"text/html": self._repr_html_()}
        except DataError as cause:
            return plain | {"text/html": f"<p>{escaped(str(cause))}</p>"}


@call_example("gt.explore(network, x, y)", models=True)
def explore(
    network: Graph | Any,
    x: Any = None,
    y: Any = None,
    *,
    samples: int = 16,
    loss: AnyLoss | None = None,
    training: bool = True,
    seed: int = 0,
    engine: str | Engine | None = None,
    optimizer: Optimizer | None = None,
    open: bool = True,
    block: bool | None = None,
    port: int = 0,
    save: str | os.PathLike[str] | None = None,
    numbers: Sequence[int] | None = None,
    title: str = "",
) -> Explorer | Path:
    """Open a page on which one learning step can be looked at, taken apart and changed.

    Args:
        network: any network, or a PyTorch module, as of `trace`; a module needs x and y.
        x: samples, (N, *input_shape); None for digits from the test part, brought to the network's
            size, where it takes them: one channel, at least 8 × 8, ten outputs or more. Any other
            network gets normal noise with the label 0.
        y: their labels, with `x`.
        samples: how many of the samples are shown, the first ones.
        loss: as of `trace`, and so are `training`, `seed` and `engine`.
        training: batch statistics and dropout; False for evaluation.
        seed: what dropout's masks, and noise, follow from.
        engine: None for the default, "cpu", "reference", or an engine object.
        optimizer: as of `Trace.explore`, and so are all that follow.
        open: whether the browser is opened.
        block: whether to wait until Ctrl-C.
        port: on 127.0.0.1; 0 for any that is free.
        save: a file that the page is written to instead of serving it.
        numbers: (N,) the samples' places in the data that they are from.
        title: what the page is called.

    Returns:
        See `Trace.explore`. Nothing that is done on the page changes the network.

    Raises:
        ArgumentError: a setting out of its range.
        DataError: samples or labels that do not fit.
    """
    traced = _first_samples(
        network, x, y, samples=samples, loss=loss, training=training, seed=seed, engine=engine
    )
    return traced.explore(
        optimizer=optimizer,
        open=open,
        block=block,
        port=port,
        save=save,
        numbers=numbers,
        title=title,
    )


def _first_samples(
    network: Graph,
    x: Any,
    y: Any,
    *,
    samples: int,
    loss: AnyLoss | None,
    training: bool,
    seed: int,
    engine: str | Engine | None,
) -> Trace:
    """The step that is shown: of the first samples, or of those that fit the network."""
    positive("explore", samples=samples)
    loss = network_loss(network, loss)
    if (x is None) != (y is None):
        raise ArgumentError("explore: x and y go together; pass both, or neither")
    if x is None:
        x, y = usual_samples(network, samples, loss, seed)
    else:
        x, y = network.checked(x), gathered_labels(y, loss)
        check_number(y, len(x))
        x, y = x[:samples], y[:samples]
    return trace(network, x, y, loss=loss, training=training, seed=seed, engine=engine)


def _interactive() -> bool:
    """Whether a person types line by line, so that the page need not keep the program alive."""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive) or shell() is not None
