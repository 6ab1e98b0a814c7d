using ChannelSdk.Host;
using ChannelSdk.Host.Policy;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Shared;

/// <summary>The record of refused and privileged calls. That a line cannot be written is told once, and the calls go on.</summary>
internal sealed class AuditFile : IDisposable
{
    private readonly string _instance;
    private readonly StreamWriter _file;
    private readonly Lock _gate = new();

    /// <summary>Opens it, to be appended to.</summary>
    /// <param name="path">The file.</param>
    /// <param name="instance">By what the record names the instance: a command knows it by nothing but its endpoint.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: it cannot be opened.</exception>
    public AuditFile(string path, string instance)
    {
        _instance = SafeText.Escape(instance);
        try
        {
            _file = new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0)) { AutoFlush = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the record {path} cannot be written: {FileFault.Describe(e)}", e);
        }
    }

    /// <summary>Appends a line.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(AuditRecord record)
    {
        lock (_gate)
        {
            _file.Write($"{record with { Instance = _instance }}\n");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _file.Dispose();
        }
        catch (IOException)
        {
            // Each line was written before, or its failure told.
        }
    }
}
