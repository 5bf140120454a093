"""The remote providers as settings name them, each with the gate that all processes share."""

from django.conf import settings

from engine.embeddings.remote.embedder import OLLAMA, OPENAI, TOGETHER, Provider, RemoteEmbedder
from engine.gates import DatabaseGate

PATIENCE = 5.0  # seconds that a batch waits for its turn; what takes longer makes the loop pause, not this process


def ollama(name: str, dimensions: int) -> RemoteEmbedder:
    return remote(OLLAMA, name, dimensions, settings.OLLAMA_URL)


def openai(name: str, dimensions: int) -> RemoteEmbedder:
    return remote(OPENAI, name, dimensions, settings.OPENAI_BASE_URL, settings.OPENAI_API_KEY)


def together(name: str, dimensions: int) -> RemoteEmbedder:
    return remote(TOGETHER, name, dimensions, settings.TOGETHER_BASE_URL, settings.TOGETHER_API_KEY)


def remote(provider: Provider, name: str, dimensions: int, base: str, key: str = "") -> RemoteEmbedder:
    return RemoteEmbedder(
        provider,
        name,
        dimensions,
        base=base,
        key=key,
        gate=DatabaseGate(PATIENCE, alone=False),
        tries=settings.RETRY_ATTEMPTS,
        delay=settings.BATCH_DELAY_MS / 1000,
        pause=settings.TIMING.upstream,
    )
