# remediator as an image: small, no root, works with a read-only root file system.
#
#   docker build -t remediator .
#   docker run --read-only --tmpfs /tmp -v remediator:/var/lib/remediator -v "$PWD/remediator.yaml:/etc/remediator/remediator.yaml:ro" \
#     -p 8080:8080 remediator
#
# /var/lib/remediator holds the SQLite file: a local volume, never NFS, one container at a time.

FROM python:3.11-slim AS build
WORKDIR /src
# Every file that is installed below was checked against constraints.txt here.
COPY constraints.txt ./
RUN python -m pip download --no-cache-dir --only-binary :all: --require-hashes -r constraints.txt -d /wheels
RUN python -m venv /opt/build && /opt/build/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels hatchling
COPY pyproject.toml README.md LICENSE ./
COPY remediator ./remediator
RUN /opt/build/bin/python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --no-index -w /wheels .
# Without an index: what remediator needs can only come from the checked files; test tools stay behind.
RUN python -m venv /opt/remediator && \
    /opt/remediator/bin/python -m pip install --no-cache-dir --no-index --find-links /wheels "remediator[aws,postgres]" && \
    /opt/remediator/bin/python -m pip uninstall -y pip setuptools

FROM python:3.11-slim
RUN groupadd --gid 10001 remediator && \
    useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin remediator && \
    install -d -o 10001 -g 10001 -m 0750 /var/lib/remediator && \
    install -d /etc/remediator/playbooks
COPY --from=build /opt/remediator /opt/remediator
COPY playbooks/*.yaml /etc/remediator/playbooks/
ENV PATH=/opt/remediator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    REMEDIATOR_CONFIG=/etc/remediator/remediator.yaml
USER 10001:10001
WORKDIR /var/lib/remediator
VOLUME /var/lib/remediator
EXPOSE 8080
# For docker; Kubernetes has probes of its own (deploy/kustomize). Not by urllib, which would ask the proxy that HTTP_PROXY names.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=3); c.request('GET', '/-/healthy'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["remediator"]
CMD ["serve", "--json", "--host", "0.0.0.0"]
