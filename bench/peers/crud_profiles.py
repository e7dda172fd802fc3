"""What most would write instead: profiles as rows, FastAPI and SQLAlchemy on PostgreSQL, no events.

TWOFOLD_BENCH_DATABASE=postgresql+asyncpg://… uvicorn crud_profiles:app
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["TWOFOLD_BENCH_DATABASE"], pool_size=20, max_overflow=0)
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Profile(Base):
    __tablename__ = "profile"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    bio: Mapped[str] = mapped_column(default="")
    updates: Mapped[int] = mapped_column(default=0)


class RegisterUser(BaseModel):
    user_id: UUID
    name: str


class UpdateProfile(BaseModel):
    user_id: UUID
    name: str
    bio: str = ""


class ProfileOut(BaseModel):
    user_id: UUID
    name: str
    bio: str
    updates: int


async def session() -> AsyncIterator[AsyncSession]:
    async with sessions() as opened:
        yield opened


Session = Annotated[AsyncSession, Depends(session)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/commands/RegisterUser")
async def register_user(command: RegisterUser, session: Session) -> dict[str, str]:
    if await session.get(Profile, command.user_id) is not None:
        raise HTTPException(409, "already registered")
    session.add(Profile(user_id=command.user_id, name=command.name))
    await session.commit()
    return {"user_id": str(command.user_id)}


@app.post("/commands/UpdateProfile")
async def update_profile(command: UpdateProfile, session: Session) -> dict[str, str]:
    profile = await session.get(Profile, command.user_id, with_for_update=True)
    if profile is None:
        raise HTTPException(409, "unknown user")
    profile.name, profile.bio = command.name, command.bio
    profile.updates += 1
    await session.commit()
    return {"user_id": str(command.user_id)}


@app.get("/queries/GetProfile")
async def get_profile(user_id: UUID, session: Session) -> ProfileOut | None:
    profile = await session.get(Profile, user_id)
    if profile is None:
        return None
    return ProfileOut(user_id=profile.user_id, name=profile.name, bio=profile.bio, updates=profile.updates)
