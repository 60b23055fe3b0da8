"""ML Metadata's service over gRPC, of the library in its Python package: `python metadata_server.py PORT DATABASE`."""

import sys
import threading
from concurrent import futures
from typing import Any

import grpc
from ml_metadata.metadata_store.pywrap.metadata_store_extension import metadata_store as library
from ml_metadata.proto.metadata_store_pb2 import ConnectionConfig
from ml_metadata.proto.metadata_store_service_pb2 import DESCRIPTOR

SERVICE = DESCRIPTOR.services_by_name["MetadataStoreService"]
STATUS = {code.value[0]: code for code in grpc.StatusCode}


def handler(store: Any, name: str, one_at_a_time: threading.Lock) -> grpc.RpcMethodHandler:
    """Answer a method of the service with the library's function of that name."""
    function = getattr(library, name)

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        with one_at_a_time:
            response: bytes
            response, message, code = function(store, request)
        if code:
            context.abort(STATUS[code], message.decode())
        return response

    return grpc.unary_unary_rpc_method_handler(answer)


def main(port: str, database: str) -> None:
    """Serve until the process is ended."""
    config = ConnectionConfig()
    config.sqlite.filename_uri = database
    store, lock = library.CreateMetadataStore(config.SerializeToString(), b""), threading.Lock()
    names = [method.name for method in SERVICE.methods if hasattr(library, method.name)]
    handlers = {name: handler(store, name, lock) for name in names}
    server = grpc.server(futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
