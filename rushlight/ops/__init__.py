"""The op table: declarations only, one family a file. Importing this package fills `rushlight.ir.op.TABLE`."""
