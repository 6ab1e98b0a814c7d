using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Logging;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Files;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Files;

/// <summary>files.Stat, files.List, files.Read and files.Write: asks the policy, then leaves the work to a class each.</summary>
/// <param name="policy">What the image allows.</param>
/// <param name="log">Every write is told there.</param>
/// <param name="time">Tells the age of what was left behind.</param>
internal sealed class FilesService(AgentPolicy policy, AgentLog log, TimeProvider time) : IAgentService
{
    // Each copy has a block in memory and a descriptor or two.
    private const int MaxCopies = 8;
    private int _copies;

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(FilesMethods.Stat, (request, _) => StatAsync(request));
        gate.Stream(FilesMethods.List, (request, stream, context) => ListAsync(request, stream, context.CancellationToken));
        gate.Stream(FilesMethods.Read, (request, stream, context) => ReadAsync(request, stream, context.CancellationToken));
        gate.Stream(FilesMethods.Write, (request, stream, context) => WriteAsync(request, stream, context.CancellationToken));
    }

    /// <summary>What a file is; a link is told of, not followed.</summary>
    public async ValueTask<FileStat> StatAsync(FileStatRequest request)
    {
        // Off the channel's own thread: a dead network file system keeps a caller for minutes.
        await Task.Yield();
        var path = Readable(request.Path);
        using var file = PathOpener.Open(path, Abi.O_PATH);
        return FileFacts.Of(file, path.Shown);
    }

    /// <summary>Sends a folder's entries.</summary>
    public async ValueTask ListAsync(FileListRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var path = Readable(request.Path);
        using var folder = PathOpener.Open(path, Abi.O_RDONLY | Abi.O_DIRECTORY);
        var reader = new FolderReader(folder, path.Shown);
        while (reader.Next() is { } entries)
        {
            await stream.WriteAsync(entries.ToByteArray(), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends a file's content.</summary>
    public async ValueTask ReadAsync(FileReadRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var path = Readable(request.Path);
        await CountedAsync(async () =>
        {
            using var reader = new FileReader(path, request);
            await reader.SendAsync(stream, cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Takes a file's content and puts it in place.</summary>
    public async ValueTask WriteAsync(FileWriteRequest request, ChannelStream stream, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var path = RawPath.Parse(request.Path);
        policy.CheckWrite(path.Text);
        await CountedAsync(async () =>
        {
            using var writer = new FileWriter(path, request, time);
            log.Info($"the host writes {path.Shown}, {request.Size} bytes{(request.Resume ? ", going on" : "")}");
            await writer.ReceiveAsync(stream, cancellationToken).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private RawPath Readable(ByteString untrustedPath)
    {
        var path = RawPath.Parse(untrustedPath);
        policy.CheckRead(path.Text);
        return path;
    }

    private async ValueTask CountedAsync(Func<Task> copy)
    {
        try
        {
            if (Interlocked.Increment(ref _copies) > MaxCopies)
            {
                throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, $"{MaxCopies} copies are under way; try again when one has ended");
            }

            await copy().ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _copies);
        }
    }
}
