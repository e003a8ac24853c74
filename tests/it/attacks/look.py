"""Looks at everything below some folders and in a process's own folder of /proc: what can be read, what of it holds one of
the texts that nobody may know, and which sockets can be connected to. One finding a line.

Usage: look.py PID FOLDERS TEXTS (both separated by commas, the texts in base64)"""
import base64, os, socket, stat, sys

pid, folders, texts = sys.argv[1], sys.argv[2].split(","), [base64.b64decode(text) for text in sys.argv[3].split(",")]


def told(what, path):
    print(what, path)


def read(path):
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        content = b""
        while len(content) < 64 << 20:
            more = os.read(file, 1 << 20)
            if not more:
                break
            content += more
        told("read", path)
        if any(text in content for text in texts):
            told("found", path)
    except OSError:
        pass
    finally:
        os.close(file)


def connect(path):
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(path)
        told("connected", path)
    except OSError:
        pass
    finally:
        connection.close()


def look(path, deep):
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if stat.S_ISLNK(mode):
        try:
            if any(text in os.fsencode(os.readlink(path)) for text in texts):
                told("found", path)
            told("read", path)
        except OSError:
            pass
    elif stat.S_ISSOCK(mode):
        connect(path)
    elif stat.S_ISREG(mode):
        read(path)
    elif stat.S_ISDIR(mode):
        try:
            names = os.listdir(path)
        except OSError:
            return
        told("listed", path)
        for name in names if deep else []:
            look(os.path.join(path, name), deep - 1)


for folder in folders:
    look(folder, 8)
look("/proc/" + pid, 3)
