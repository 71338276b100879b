# docker build -t mmws . && docker run --gpus all -v "$PWD/data:/mmws/data" mmws train configs/...
# The second line of the README's table of installations; with a GPU or without.
FROM python:3.11-slim
# OpenCV's wheel needs them.
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY . /src
RUN pip install --no-cache-dir -c /src/requirements/constraints.txt "/src[openmmlab,lite,cam]"
WORKDIR /mmws
RUN ln -s /src/configs configs
ENTRYPOINT ["mmws"]
CMD ["--help"]
