using ChannelSdk.HostEndpoint;
using ChannelSdk.HostEndpoint.Policy;
using ChannelSdk.Protocol;

namespace ChannelSdk.Tool;

/// <summary>The record of refused and privileged calls. A call that cannot be noted there is not made.</summary>
internal sealed class AuditFile : IDisposable
{
    private readonly string _path;
    private readonly string _instance;
    private readonly StreamWriter _file;
    private readonly Lock _gate = new();

    /// <summary>Opens it, to be appended to.</summary>
    /// <param name="path">The file.</param>
    /// <param name="instance">By what the record names the instance: a command knows it by nothing but its endpoint.</param>
    /// <exception cref="ChannelException">BadConfiguration: it cannot be opened.</exception>
    public AuditFile(string path, string instance)
    {
        (_path, _instance) = (path, GuestText.Escape(instance));
        try
        {
            _file = new StreamWriter(new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0)) { AutoFlush = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the record {path} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Appends a line.</summary>
    /// <exception cref="ChannelException">FailedPrecondition: it cannot be written.</exception>
    public void Write(AuditRecord record)
    {
        try
        {
            lock (_gate)
            {
                _file.Write($"{record with { Instance = _instance }}\n");
            }
        }
        catch (IOException e)
        {
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Refused, $"the record {_path} cannot be written: {e.Message}; {record.Method} was not called", e);
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
            // Each line was written, or its call refused, before.
        }
    }
}
