using ChannelSdk.Channels;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Install;

namespace ChannelSdk.GuestAgent.Install;

/// <summary>Where the script of an operation is called.</summary>
/// <param name="folder">The operation's folder, with the script.</param>
/// <param name="target">Where the script is to mount the system.</param>
/// <param name="host">The operation's stream.</param>
internal sealed class DataPlace(InstallFolder folder, string target, InstallStream host)
{
    public InstallFolder Folder => folder;

    public string Target => target;

    public InstallStream Host => host;
}

/// <summary>
/// One call of the script of an export or import: joins its standard output or input with the host's stream for the disk. Nothing
/// is kept in between: where the host does not read, the script waits, and where the script does not read, the host.
/// </summary>
/// <param name="spec">Of the operation.</param>
/// <param name="place">Where the script is called.</param>
/// <param name="index">The disk, from 0.</param>
/// <param name="data">The host's stream for the disk.</param>
internal sealed class DataCall(InstallSpec spec, DataPlace place, int index, ChannelStream data) : IDisposable
{
    // A killed program that does not end hangs in the kernel; a wait for it has no end.
    private static readonly TimeSpan s_killGrace = TimeSpan.FromSeconds(5);
    private readonly bool _isExport = spec.Action == "export";
    private readonly DataDigest _digest = new();
    private readonly SizeEstimate _size = new();
    private volatile ScriptCall? _script;
    private volatile bool _isKilled;
    private volatile ChannelException? _lost;

    /// <summary>Runs it to its end. After a good end the host has been told what was moved.</summary>
    /// <returns>How the script ended; with a reason if that is no good end in spite of its code.</returns>
    /// <exception cref="ChannelException">It cannot be started, or the host has gone.</exception>
    public async Task<ScriptEnded> RunAsync(CancellationToken cancellationToken)
    {
        var pump = Start();
        var wasRead = false;
        ExecExited exited;
        using var _ = cancellationToken.UnsafeRegister(static self => ((DataCall)self!).Kill(), this);
        try
        {
            wasRead = _isExport || await FeedAsync(pump, cancellationToken).ConfigureAwait(false);
            exited = await pump.Ended.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // Its background processes end with it.
            Kill();
            InstallProcesses.Kill(place.Folder.Socket);
            await Task.WhenAny(pump.Ended, Task.Delay(s_killGrace, CancellationToken.None)).ConfigureAwait(false);
        }

        if (exited is not { Code: 0, Signal: 0 })
        {
            return InstallWire.Ended(exited.Code, exited.Signal, "");
        }

        if (!wasRead || pump.UnreadInput > 0)
        {
            return InstallWire.Ended(0, 0, $"the script of disk {index} has not read all of its data, and ended without an error");
        }

        if (_lost is not null)
        {
            throw _lost;
        }

        if (_isExport)
        {
            await data.CompleteAsync(cancellationToken).ConfigureAwait(false);
        }

        var end = new DataEnd { Index = (uint)index, Bytes = _digest.Bytes, Hash = _digest.Hash };
        await place.Host.WriteAsync(InstallMessage.DataEnd, end).ConfigureAwait(false);
        return InstallWire.Ended(0, 0, "");
    }

    public void Kill()
    {
        _isKilled = true;
        _script?.Kill();
    }

    public void Dispose() => _script?.Dispose();

    private ExecPump Start()
    {
        var variables = DataVariables.Of(_isExport, spec.DataDevices[index], index, SpawnRequest.KeptNumber);
        var name = $"{Path.GetFileName(place.Folder.Folder)}-{index}";
        var script = ScriptCall.Start(spec, place.Folder, place.Target, name, variables, Send, ExecCapture.Both with { IsWide = true }, _isExport ? OnSize : null);
        _script = script;
        if (_isExport)
        {
            script.EndInput();
        }

        script.Pump.Start();
        if (_isKilled)
        {
            script.Kill();
        }

        return script.Pump;
    }

    /// <summary>Gives the script what the host sends, until that ends or the script reads no more.</summary>
    /// <returns>Whether the script was given all of it.</returns>
    private async Task<bool> FeedAsync(ExecPump pump, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var feeding = GiveAsync(pump, stop.Token);
        await Task.WhenAny(feeding, pump.Ended).ConfigureAwait(false);
        if (pump.Ended.IsCompleted && (await pump.Ended.ConfigureAwait(false) is not { Code: 0, Signal: 0 } || pump.UnreadInput > 0))
        {
            // Whatever the host still sends, nobody reads it.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)feeding).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return false;
        }

        // A script that knows where its data ends may have ended before the host said so.
        return await feeding.ConfigureAwait(false);
    }

    private async Task<bool> GiveAsync(ExecPump pump, CancellationToken cancellationToken)
    {
        while (true)
        {
            using var message = await data.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (message.IsEnd)
            {
                await pump.WriteAsync(default, cancellationToken).ConfigureAwait(false);
                return true;
            }

            _digest.Append(message.Span);
            if (!message.Span.IsEmpty && !await pump.WriteAsync(message.Memory, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }
        }
    }

    private bool Send(ReadOnlyMemory<byte> message)
    {
        var (kind, content) = ((ExecMessage)message.Span[0], message[1..]);
        if (!_isExport || kind != ExecMessage.Output)
        {
            return Wait(place.Host.WriteAsync(kind == ExecMessage.Error ? InstallMessage.Error : InstallMessage.Output, content));
        }

        _digest.Append(content.Span);
        return Wait(data.WriteAsync(content));
    }

    private void OnSize(ReadOnlyMemory<byte> untrusted)
    {
        if (_size.Add(untrusted.Span) is { } bytes)
        {
            Wait(place.Host.WriteAsync(InstallMessage.DataSize, new DataSize { Index = (uint)index, Bytes = bytes }));
        }
    }

    /// <summary>On the pump's thread: the script waits while the host takes nothing.</summary>
    private bool Wait(ValueTask writing)
    {
        try
        {
            writing.AsTask().GetAwaiter().GetResult();
            return true;
        }
        catch (ChannelException e)
        {
            _lost = e;
            Kill();
            return false;
        }
    }
}
