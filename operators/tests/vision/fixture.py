#!/usr/bin/env python3
"""Writes fastest_det.json: what onnxruntime and numpy find on the shared photograph and on the 20 frames of the shared video with the
surest vehicles.

    python3 -m venv venv && venv/bin/pip install onnxruntime numpy opencv-python-headless
    venv/bin/python operators/tests/vision/fixture.py ../shared/data > operators/tests/vision/fastest_det.json

Two things of each picture: the network's values in its twelve surest cells, whatever they show, and the vehicles. It shares no code with
what it judges: FFmpeg's program decodes, OpenCV resizes, onnxruntime runs the ONNX file, and the cells are decoded
below by the formulas in the data's README. Only numbers are written.
"""

import json
import subprocess
import sys

import cv2
import numpy as np
import onnxruntime

VEHICLES = {1: "bicycle", 2: "car", 3: "motorbike", 5: "bus", 7: "truck"}
LEAST, OVERLAP = 0.15, 0.45


def frames(path):
    """All frames as an array of frames, rows, columns and blue, green, red."""
    probe = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=width,height", "-of", "csv=p=0", path]
    width, height = map(int, subprocess.check_output(probe, text=True).strip().split(",")[:2])
    decode = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
    return np.frombuffer(subprocess.check_output(decode), np.uint8).reshape(-1, height, width, 3)


def run(session, picture):
    """What the network says: 85 values by row and column."""
    resized = cv2.resize(picture, (352, 352), interpolation=cv2.INTER_LINEAR)
    planes = resized.transpose(2, 0, 1)[None].astype(np.float32) / 255
    return session.run(None, {session.get_inputs()[0].name: planes})[0][0].astype(float)


def surest_cells(cells):
    """Row, column, objectness, four terms of the box, surest category and its probability."""
    order = np.argsort(-cells[0], axis=None, kind="stable")[:12]
    places = [np.unravel_index(place, cells[0].shape) for place in order]
    describe = lambda cell: [round(v, 6) for v in cell[:5]] + [int(cell[5:].argmax()), round(cell[5:].max(), 6)]
    return [[int(y), int(x)] + describe(cells[:, y, x]) for y, x in places]


def candidates(cells, picture):
    """Vehicles in the cells: category, score, left, top, right, bottom in pixels."""
    height, width = picture.shape[:2]
    found = []
    for gy, gx in np.ndindex(22, 22):
        objectness, x, y, w, h = cells[:5, gy, gx]
        classes = cells[5:, gy, gx]
        category, score = int(classes.argmax()), objectness**0.6 * classes.max() ** 0.4
        if category not in VEHICLES or score < LEAST:
            continue
        cx, cy = (gx + np.tanh(x)) / 22, (gy + np.tanh(y)) / 22
        w, h = 1 / (1 + np.exp(-w)), 1 / (1 + np.exp(-h))
        found.append([category, score, (cx - w / 2) * width, (cy - h / 2) * height, (cx + w / 2) * width, (cy + h / 2) * height])
    return sorted(found, key=lambda box: -box[1])


def overlap(a, b):
    w = min(a[4], b[4]) - max(a[2], b[2])
    h = min(a[5], b[5]) - max(a[3], b[3])
    both = max(w, 0) * max(h, 0)
    return both / ((a[4] - a[2]) * (a[5] - a[3]) + (b[4] - b[2]) * (b[5] - b[3]) - both)


def surest(boxes, across_classes):
    kept = []
    for box in boxes:
        if not any((across_classes or box[0] == k[0]) and overlap(box, k) > OVERLAP for k in kept):
            kept.append(box)
    return [[VEHICLES[b[0]], round(b[1], 5)] + [round(v, 3) for v in b[2:]] for b in kept]


def main(data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{data}/models/fastestdet.onnx", options, providers=["CPUExecutionProvider"])
    pictures = []
    for path, count in [("models/street.jpg", 1), ("video/car-detection.mp4", 20)]:
        seen = []
        for number, picture in enumerate(frames(f"{data}/{path}")):
            cells = run(session, picture)
            boxes = candidates(cells, picture)
            vehicles = {"across_classes": surest(boxes, True), "by_class": surest(boxes, False)}
            seen.append({"file": path, "frame": number, "cells": surest_cells(cells), **vehicles})
        seen.sort(key=lambda picture: -sum(box[1] for box in picture["by_class"]))
        pictures += sorted(seen[:count], key=lambda picture: picture["frame"])
    lines = ",\n".join(json.dumps(picture) for picture in pictures)
    print(f"[\n{lines}\n]")


main(sys.argv[1])
