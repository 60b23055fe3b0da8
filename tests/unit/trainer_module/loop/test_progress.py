"""What training tells on the way: batches of each epoch, one counter an epoch, loss and the last validation."""

from belka.events.channel import listening
from belka.events.event import Amount, Event
from trainer_module.loop.checkpoints import Progress
from trainer_module.loop.progress import ProgressLog


def told(steps: list[Progress], epoch_steps: int) -> list[Amount]:
    heard = list[Event]()
    with listening(heard.append):
        log = ProgressLog("clf", 64, 3)
        for step in steps:
            log.tick(step, epoch_steps)
    return [event.progress for event in heard if event.progress]


def test_the_last_batch_of_an_epoch_belongs_to_it() -> None:
    history = [{"val_loss": 0.4, "val_average_precision": 0.3, "val_ap_HSA": 0.2, "epoch": 1}]
    amounts = told(
        [
            Progress(epoch=0, step=1, step_in_epoch=1, loss_sum=1.0, loss_count=1),
            Progress(epoch=1, step=2, step_in_epoch=0, history=history),
        ],
        2,
    )
    last = amounts[-1]
    assert (last.part, last.done, last.total, last.unit) == ("clf epoch 1 of at most 3, batches of 64", 2, 2, "batches")
    assert last.figures == {
        "loss": 1.0,
        "validation loss": 0.4,
        "early-stopping average precision": 0.3,
    }


def test_a_resumed_epoch_goes_on_where_it_was() -> None:
    first = told([Progress(epoch=1, step=8, step_in_epoch=3)], 5)[0]
    assert (first.part, first.total) == ("clf epoch 2 of at most 3, batches of 64", 5)
    assert first.done == 2
