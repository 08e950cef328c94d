# Telltale as it is hosted. With a proxy that asks for a login beside it: docker compose up --build
FROM python:3.13-slim-bookworm

ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TELLTALE_CACHE=/cache \
    TELLTALE_HOME=/own \
    TELLTALE_LOCAL=no \
    TMPDIR=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    MALLOC_ARENA_MAX=2 \
    ONEDNN_PRIMITIVE_CACHE_CAPACITY=128 \
    ARROW_DEFAULT_MEMORY_POOL=system

SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /app

# what is locked, but torch for processors alone, which saves three gigabytes, and nothing that it needs for others
COPY requirements.lock ./
RUN python -m venv /venv \
    && pip install --no-cache-dir --no-deps --index-url https://download.pytorch.org/whl/cpu \
        "$(grep -o '^torch==[0-9.]*' requirements.lock)" "$(grep -o '^torchvision==[0-9.]*' requirements.lock)" \
    && awk '/^[a-z]/ { kept = !/^(cuda|nvidia|torch|torchvision|triton)[-=]/ } kept' requirements.lock > /tmp/rest.lock \
    && pip install --no-cache-dir --no-deps --require-hashes -r /tmp/rest.lock \
    && rm /tmp/rest.lock

COPY .streamlit .streamlit
COPY assets assets
COPY core core
COPY dashboard dashboard
COPY LICENSE README.md pyproject.toml requirements.txt train.py ./
# the command `telltale`
RUN pip install --no-cache-dir --no-deps --no-build-isolation --editable .

# everything here is root's; whoever runs it can write to /cache alone
RUN useradd --system --uid 10001 --no-create-home --home-dir /cache telltale \
    && install --directory --owner telltale /cache
USER 10001
ENV HOME=/cache
VOLUME /cache
EXPOSE 8501

# with --server.baseUrlPath this is elsewhere, and an answer that says so is a sign of life too
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import http.client as h, sys; c = h.HTTPConnection('127.0.0.1:8501', timeout=4); c.request('GET', '/_stcore/health'); sys.exit(c.getresponse().status >= 500)"]

# the proxy is another container; name the address that visitors type after --server.allowedHosts
ENTRYPOINT ["python", "-m", "dashboard", "--server.headless", "true", "--server.address", "0.0.0.0"]
CMD ["--server.allowedHosts", "localhost"]
