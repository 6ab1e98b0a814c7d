using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>The writing end of a program's standard input, which knows how much of what was written the program has not read.</summary>
/// <param name="write">The writing end; belongs to this from now on.</param>
public sealed class InputPipe(SafeFileHandle write) : IDisposable
{
    private SafeFileHandle? _ended;

    /// <summary>The writing end; closed after <see cref="End"/>.</summary>
    public SafeFileHandle Write => write;

    /// <summary>Bytes that were written and not read, also after the end of the input or of the program.</summary>
    public int Unread => _ended is not null ? Descriptor.Unread(_ended) : write.IsClosed ? 0 : Descriptor.Unread(write);

    /// <summary>Ends the input.</summary>
    public void End()
    {
        // Only now: while there is a reader besides the program, a write would not tell that the program has closed its end.
        _ended ??= write.IsClosed ? null : Descriptor.ReaderOf(write);
        write.Dispose();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        write.Dispose();
        _ended?.Dispose();
    }
}
