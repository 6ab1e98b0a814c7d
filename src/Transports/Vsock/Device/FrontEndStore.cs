using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.Transports.Vsock.Device;

/// <summary>
/// Keeps a front-end for the next process that serves its device, should this one end at any moment: QEMU does not notice, which is the only way,
/// as it does not set up a vsock device a second time on another connection.
/// </summary>
/// <param name="store">Where it is kept.</param>
internal sealed class FrontEndStore(DescriptorStore store)
{
    // While it is the last message, a request of the front-end may have been read and not answered.
    private static ReadOnlySpan<byte> InDoubt => [0];

    private bool _isInDoubt;

    /// <summary>Before anything is read of the front-end.</summary>
    internal void Begin()
    {
        if (!_isInDoubt)
        {
            _isInDoubt = store.Add(InDoubt, []) == 0;
        }
    }

    /// <summary>After all that was read has been done and answered. Where the kernel keeps no more descriptors of this user, it stays in doubt.</summary>
    /// <param name="record">What the front-end has said.</param>
    /// <param name="files">Its descriptors.</param>
    internal void Keep(FrontEndRecord record, ReadOnlySpan<SafeFd> files)
    {
        Span<byte> bytes = stackalloc byte[FrontEndRecord.MostBytes];
        if (store.Add(record.Write(bytes), files) == 0)
        {
            _isInDoubt = false;
            store.DropOlder();
        }
    }

    /// <summary>The front-end has gone.</summary>
    internal void Clear()
    {
        _isInDoubt = false;
        store.Clear();
    }

    /// <summary>Takes what a process before has kept.</summary>
    /// <param name="closer">Closes its descriptors.</param>
    /// <param name="files">Gets these.</param>
    /// <returns>
    /// Null if there is no front-end, or if it may wait for an answer that the process before has not sent: that one's connection is ended, as it would wait for ever.
    /// </returns>
    internal FrontEndRecord? Take(ForeignCloser closer, List<SafeFd> files)
    {
        Span<byte> bytes = stackalloc byte[FrontEndRecord.MostBytes + 1];
        FrontEndRecord? record = null;
        var isInDoubt = false;
        var next = new List<SafeFd>();
        while (store.Take(bytes, next, closer) is > 0 and var length)
        {
            isInDoubt = length == InDoubt.Length;
            if (!isInDoubt)
            {
                Drop(files);
                files.AddRange(next);
                record = FrontEndRecord.Read(bytes[..length]);
            }
            else
            {
                Drop(next);
            }

            next.Clear();
        }

        if (record is not null && !isInDoubt && files.Count == record.Files)
        {
            return record;
        }

        if (files is [ForeignFd connection, ..])
        {
            connection.EndSocket();
        }

        Drop(files);
        return null;
    }

    private static void Drop(List<SafeFd> files)
    {
        foreach (var file in files)
        {
            file.Dispose();
        }

        files.Clear();
    }
}
