"""Triton's ModelConfig as a message of protobuf, to parse config.pbtxt with; see test_to_triton.py."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

FIELD = descriptor_pb2.FieldDescriptorProto
SCHEMA = {  # message: {field: type}; [] = repeated; as in model_config.proto of Triton 2
    "Tensor": {"name": "string", "data_type": "DataType", "dims": ["int64"]},
    "ModelDynamicBatching": {"preferred_batch_size": ["int32"], "max_queue_delay_microseconds": "uint64"},
    "ModelInstanceGroup": {"name": "string", "kind": "Kind", "count": "int32", "gpus": ["int32"]},
    "ModelParameter": {"string_value": "string"},
    "Parameter": {"key": "string", "value": "ModelParameter"},
    "ModelConfig": {
        "name": "string", "platform": "string", "backend": "string", "max_batch_size": "int32", "input": ["Tensor"],
        "output": ["Tensor"], "instance_group": ["ModelInstanceGroup"], "dynamic_batching": "ModelDynamicBatching",
        "parameters": ["Parameter"],
    },
}  # fmt: skip
ENUMS = {
    "DataType": {"TYPE_INVALID": 0, "TYPE_UINT8": 2, "TYPE_FP16": 10, "TYPE_FP32": 11},
    "Kind": {"KIND_AUTO": 0, "KIND_GPU": 1, "KIND_CPU": 2, "KIND_MODEL": 3},
}


def declared() -> Any:
    """ModelConfig, made from SCHEMA."""
    file = descriptor_pb2.FileDescriptorProto(name="triton_subset.proto", package="subset", syntax="proto3")
    for name, values in ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in SCHEMA.items():
        message = file.message_type.add(name=name)
        for number, (field, kind) in enumerate(fields.items(), 1):
            label = FIELD.LABEL_REPEATED if isinstance(kind, list) else FIELD.LABEL_OPTIONAL
            kind = kind[0] if isinstance(kind, list) else kind
            if kind in SCHEMA or kind in ENUMS:
                type_ = FIELD.TYPE_MESSAGE if kind in SCHEMA else FIELD.TYPE_ENUM
                message.field.add(name=field, number=number, label=label, type=type_, type_name=f".subset.{kind}")
            else:
                message.field.add(name=field, number=number, label=label, type=getattr(FIELD, f"TYPE_{kind.upper()}"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("subset.ModelConfig"))


def parse(text: str) -> Any:
    """config.pbtxt as a ModelConfig message."""
    if find_spec("tritonclient"):
        from tritonclient.grpc import model_config_pb2

        return text_format.Parse(text, model_config_pb2.ModelConfig())
    return text_format.Parse(text, declared()())


def parameters(config: Any) -> dict[str, str]:
    """The parameters, whichever schema read them (there they are a map, here the pairs that a map is made of)."""
    if hasattr(config.parameters, "items"):
        return {key: value.string_value for key, value in config.parameters.items()}
    return {entry.key: entry.value.string_value for entry in config.parameters}
