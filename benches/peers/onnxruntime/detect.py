#!/usr/bin/env python3
"""Runs a detector from its ONNX file by onnxruntime on one thread: for every line of its input so many pictures of 352 x 352, one after
the other, then it answers with a line. The network alone: pictures are there in its shape, and nothing is made of what it says.

    detect.py fastestdet.onnx 16
"""

import sys

import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
given = session.get_inputs()[0].name
pictures = numpy.random.default_rng(1).random((int(sys.argv[2]), 1, 3, 352, 352), numpy.float32)
for _ in sys.stdin:
    for picture in pictures:
        session.run(None, {given: picture})
    print(flush=True)
