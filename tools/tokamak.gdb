# Commands and printers for a running server or a core: gdb -x tools/tokamak.gdb build/tokamak-server core
# tk-key DB KEY · tk-shards DB · tk-threads, and printers for struct slice, buf, entry and table.
set pagination off
set print pretty on
python
import os
import sys

sys.path.insert(0, os.path.join(os.getcwd(), "tools"))
import gdb_tokamak
end
