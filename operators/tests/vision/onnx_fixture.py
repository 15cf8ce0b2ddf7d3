#!/usr/bin/env python3
"""Writes small.onnx, small_open.onnx and small_onnx.json: two networks of a few thousand random weights, and what onnxruntime and
numpy find with them.

    python3 -m venv venv && venv/bin/pip install onnx onnxruntime numpy opencv-python-headless
    venv/bin/python operators/tests/vision/onnx_fixture.py operators/tests/vision

The networks see nothing: their weights are random, drawn so that boxes are spread over the picture and scores over 0 to 1. What they
say of a picture is one table in four layouts, each an output of its own. small.onnx takes any number of pictures of 48 x 32, a colour
after the other; small_open.onnx takes one picture of any size, a pixel after the other. It shares no code with what it judges: OpenCV
resizes, onnxruntime runs, and boxes are decoded below.
"""

import json
import sys

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT, CELL, CATEGORIES = 48, 32, 8, 3
# Category 1 is no vehicle.
CLASSES = {0: "car", 2: "truck"}
LEAST, OVERLAP = 0.3, 0.45
PICTURES = [(48, 32), (96, 33), (31, 77)]


def network(pictures_first):
    """The graph: three convolutions, and their values as boxes in four layouts."""
    random = np.random.default_rng(7)
    nodes, weights = [], []

    def constant(name, values):
        weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def convolution(name, value, inputs, outputs, spread, stride=2):
        filters = constant(name + ".weight", random.normal(0, spread / np.sqrt(9 * inputs), (outputs, inputs, 3, 3)).astype(np.float32))
        bias = constant(name + ".bias", random.normal(0, 0.3, outputs).astype(np.float32))
        return add("Conv", [value, filters, bias], name, kernel_shape=[3, 3], strides=[stride] * 2, pads=[1] * 4)

    value = "pictures" if pictures_first else add("Transpose", ["pictures"], "planes", perm=[0, 3, 1, 2])
    for number, (inputs, outputs) in enumerate([(3, 8), (8, 8), (8, 12)]):
        value = add("Relu", [convolution(f"conv{number}", value, inputs, outputs, 2.5)], f"relu{number}")
    raw = convolution("head", value, 12, 5 + CATEGORIES, 6, stride=1)
    shape = constant("shape", np.array([0, 5 + CATEGORIES, -1], np.int64))
    raw = add("Reshape", [raw, shape], "raw")
    parts = constant("parts", np.array([2, 2, 1, CATEGORIES], np.int64))
    nodes.append(helper.make_node("Split", [raw, parts], ["place", "extent", "object", "scores"], name="split", axis=1))
    middle = add("Sigmoid", ["place"], "middle")
    half = constant("half", np.array(0.35, np.float32))
    extent = add("Mul", [add("Sigmoid", ["extent"], "whole"), half], "size")
    pixels = constant("pixels", np.array([[[WIDTH], [HEIGHT]]], np.float32))
    box = [add("Mul", [part, pixels], part + "_pixels") for part in (middle, extent)]
    sure, shares = add("Sigmoid", ["object"], "sure"), add("Sigmoid", ["scores"], "shares")
    add("Concat", box + [shares], "values_first", axis=1)
    add("Transpose", [add("Concat", box + [sure, shares], "five", axis=1)], "boxes_first", perm=[0, 2, 1])
    two = constant("two", np.array(2, np.float32))
    part = add("Div", [extent, two], "half_size")
    corner, other = add("Sub", [middle, part], "corner"), add("Add", [middle, part], "other_corner")
    add("Transpose", [add("Concat", ["scores", "object", corner, other], "joined", axis=1)], "logits", perm=[0, 2, 1])
    add("Concat", [shares, corner, extent], "corners", axis=1)
    sides = ["n", 3, HEIGHT, WIDTH] if pictures_first else [1, "height", "width", 3]
    outputs = ["values_first", "boxes_first", "logits", "corners"]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 3) for name in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def picture(width, height):
    """Coloured waves, by a formula that the test repeats: rows, columns, blue, green and red."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    return ((x * (5 + c) + y * (3 + 2 * c) + (x * y) // 7 + 40 * c) % 256).astype(np.uint8)


def fitted(image, size, letterbox):
    """The picture in a size, with its scale and corner there."""
    (width, height), (rows, columns) = size, image.shape[:2]
    if not letterbox:
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), (width / columns, height / rows), (0, 0)
    ratio = min(width / columns, height / rows)
    inner = max(1, round(columns * ratio)), max(1, round(rows * ratio))
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    whole = np.full((height, width, 3), 114, np.uint8)
    whole[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return whole, (inner[0] / columns, inner[1] / rows), (left, top)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def boxes(tensor, name, size):
    """For each box of a layout its score, category and edges in pixels of the input."""
    width, height = size
    rows = tensor[0].T if name in ("values_first", "corners") else tensor[0]
    for row in rows.astype(float):
        if name == "values_first":
            x, y, w, h, scores, sure = *row[:4], row[4:], 1
            edges = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        elif name == "boxes_first":
            x, y, w, h, sure, scores = *row[:5], row[5:]
            edges = x - w / 2, y - h / 2, x + w / 2, y + h / 2
        elif name == "logits":
            scores, sure = sigmoid(row[:3]), sigmoid(row[3])
            edges = row[4] * width, row[5] * height, row[6] * width, row[7] * height
        else:
            scores, sure = row[:3], 1
            edges = row[3] * width, row[4] * height, (row[3] + row[5]) * width, (row[4] + row[6]) * height
        yield scores.max() * sure, int(scores.argmax()), edges


def overlap(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def vehicles(found, size, scale, corner):
    """The vehicles that are believed, the surest first: class, confidence, edges in pixels of the picture."""
    kept = []
    for score, category, edges in sorted(found, key=lambda box: -box[0]):
        if score >= LEAST and category in CLASSES and not any(overlap(edges, other[2]) > OVERLAP for other in kept):
            kept.append((score, category, edges))
    on_picture = lambda edges: [round((edge - corner[i % 2]) / scale[i % 2], 3) for i, edge in enumerate(edges)]
    told = [[CLASSES[category], round(float(score), 5)] + on_picture(edges) for score, category, edges in kept]
    # In whole pixels inside the picture there must be something left of it.
    inside = lambda edge, most: min(max(round(edge), 0), most)
    extent = lambda box, side: inside(box[4 + side], size[side]) - inside(box[2 + side], size[side])
    return [box for box in told if extent(box, 0) > 0 and extent(box, 1) > 0]


def main(folder):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # How a file's layouts are looked at: the file, the output, and how a picture is fitted in, in which colours and range.
    looks = [
        ("small.onnx", "values_first", True, "rgb", "unit", [0.0] * 3, [1.0] * 3),
        ("small.onnx", "boxes_first", False, "bgr", "bytes", [100.0, 110.0, 120.0], [50.0, 60.0, 70.0]),
        ("small.onnx", "logits", True, "bgr", "unit", [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]),
        ("small_open.onnx", "corners", True, "rgb", "unit", [0.0] * 3, [1.0] * 3),
        ("small_open.onnx", "values_first", False, "rgb", "unit", [0.0] * 3, [1.0] * 3),
    ]
    for file, planes in [("small.onnx", True), ("small_open.onnx", False)]:
        onnx.save(network(planes), f"{folder}/{file}")
    told = []
    for file, name, letterbox, colours, span, mean, deviation in looks:
        session = onnxruntime.InferenceSession(f"{folder}/{file}", options, providers=["CPUExecutionProvider"])
        seen = []
        for width, height in PICTURES:
            image, scale, corner = fitted(picture(width, height), (WIDTH, HEIGHT), letterbox)
            numbers = (image[:, :, ::-1] if colours == "rgb" else image).astype(np.float32)
            numbers = ((numbers / 255 if span == "unit" else numbers) - np.float32(mean)) / np.float32(deviation)
            numbers = (numbers.transpose(2, 0, 1) if file == "small.onnx" else numbers)[None]
            tensor = session.run([name], {"pictures": numbers.astype(np.float32)})[0]
            seen.append({"size": [width, height], "vehicles": vehicles(boxes(tensor, name, (WIDTH, HEIGHT)), (width, height), scale, corner)})
        told.append({"file": file, "tensor": name, "letterbox": letterbox, "colours": colours, "range": span, "mean": mean, "deviation": deviation, "pictures": seen})
    with open(f"{folder}/small_onnx.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(look) for look in told) + "\n]\n")


main(sys.argv[1])
