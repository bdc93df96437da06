"""What a service is mounted on.

1. A module is here only if a service cannot run without it: configuration, database, logs, errors, calls to
   other services, who is calling, the HTTP door.
2. No business noun appears in it.
3. It never imports a service.
4. Each third-party runtime library has exactly one importing module: pg8000 in `session`, aiohttp in `client`,
   uvicorn in `server`, Mangum in `serverless`, the X-Ray SDK in `xray`. FastAPI and Starlette enter through the doors
   alone; pydantic's core, which comes with them, also writes the documents of traces.
5. There is no drawer for what fits nowhere: a new module needs a decision record.
"""
