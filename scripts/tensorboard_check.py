#!/usr/bin/env python3
"""What TensorBoard reads from event files, and the bytes that it writes itself.

    pip install tensorboard
    scripts/tensorboard_check.py FOLDER      all events below the folder as JSON: by folder and tag, lists of [step, value]
    scripts/tensorboard_check.py --golden    the records of spec/tensor_board_spec.lua, in hexadecimal
"""

import io
import json
import os
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def events_below(folder):
    """Each file through EventAccumulator, and again through EventFileLoader, which keeps every record."""
    found = {}
    for path, _, names in sorted(os.walk(folder)):
        if not any("tfevents" in name for name in names):
            continue
        accumulator = EventAccumulator(path, size_guidance={"scalars": 0, "histograms": 0, "tensors": 0})
        accumulator.Reload()
        tags = accumulator.Tags()
        part = {"scalars": {}, "histograms": {}, "records": 0}
        for tag in tags["scalars"]:
            part["scalars"][tag] = [[e.step, e.value] for e in accumulator.Scalars(tag)]
        for tag in tags["histograms"]:
            part["histograms"][tag] = [
                [e.step, h.min, h.max, h.num, h.sum, h.sum_squares, list(h.bucket_limit), list(h.bucket)]
                for e in accumulator.Histograms(tag)
                for h in [e.histogram_value]
            ]
        for name in sorted(names):
            events = list(EventFileLoader(os.path.join(path, name)).Load())
            assert events[0].file_version == "brain.Event:2", events[0]
            part["records"] += len(events)
        found[os.path.relpath(path, folder)] = part
    return found


def record(event):
    class Buffer(io.BytesIO):
        def close(self):
            pass

    buffer = Buffer()
    writer = RecordWriter(buffer)
    writer.write(event.SerializeToString())
    writer.flush()
    return buffer.getvalue().hex()


def golden():
    yield record(Event(wall_time=1700000000.5, file_version="brain.Event:2"))
    value = Summary.Value(tag="epoch_loss", simple_value=0.1)
    yield record(Event(wall_time=1700000001.0, step=300, summary=Summary(value=[value])))
    histogram = HistogramProto(
        min=-1.0, max=2.5, num=6, sum=3.25, sum_squares=10.0, bucket_limit=[0.5, 2.5], bucket=[4, 2]
    )
    value = Summary.Value(tag="1/weight/histogram", histo=histogram)
    yield record(Event(wall_time=1700000002.0, step=1, summary=Summary(value=[value])))


if sys.argv[1] == "--golden":
    print("\n".join(golden()))
else:
    print(json.dumps(events_below(sys.argv[1]), default=float))
