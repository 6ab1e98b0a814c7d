using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Exec;

/// <summary>One exec.Run: joins a program and a stream, and decides what becomes of the one when the other ends.</summary>
/// <param name="spec">What was asked for.</param>
/// <param name="process">What was started.</param>
/// <param name="stream">The host.</param>
/// <param name="upSession">The session whose link is up now, or null.</param>
internal sealed class ExecRun(ExecSpec spec, ExecProcess process, ChannelStream stream, Func<UInt128?> upSession)
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(200);
    private volatile bool _isAlone;
    private volatile ChannelException? _wrong;

    /// <summary>Serves the host until the program has ended or the host has gone.</summary>
    /// <param name="run">The number that the host may send signals to.</param>
    /// <param name="ended">Called once the program itself has ended, which may be later.</param>
    /// <param name="cancellationToken">Fires when the stream ends before its time.</param>
    public async Task ServeAsync(long run, Action ended, CancellationToken cancellationToken)
    {
        var pump = new ExecPump(process, Send);
        var closed = pump.Ended.ContinueWith(
            _ =>
            {
                pump.Dispose();
                ended();
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        Send(Message(ExecMessage.Started, new ExecStarted { Run = (ulong)run, Pid = (uint)process.Pid, IsLimited = process.IsLimited }));
        pump.Start();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (spec.LinkLoss is { } most)
        {
            _ = WatchLinkAsync(most, upSession(), pump.Ended);
        }

        var reading = ReadAsync(pump, over.Token);
        await Task.WhenAny(pump.Ended, reading).ConfigureAwait(false);
        if (pump.Ended.IsCompleted)
        {
            await over.CancelAsync().ConfigureAwait(false);
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_wrong is not null)
            {
                throw _wrong;
            }
            // Its place is free before the host learns of its end, and runs the next.
            await closed.ConfigureAwait(false);
            await stream.WriteAsync(Message(ExecMessage.Exited, await pump.Ended.ConfigureAwait(false)), CancellationToken.None).ConfigureAwait(false);
            return;
        }

        _isAlone = true;
        await reading.ConfigureAwait(false);
    }

    /// <summary>Kills the program once its session has had no link for too long: its host may be dead.</summary>
    private async Task WatchLinkAsync(TimeSpan most, UInt128? owner, Task ended)
    {
        var seen = Environment.TickCount64;
        while (!ended.IsCompleted)
        {
            await Task.WhenAny(ended, Task.Delay(s_look)).ConfigureAwait(false);
            if (upSession() is { } now && (owner ??= now) == now)
            {
                seen = Environment.TickCount64;
            }
            else if (Environment.TickCount64 - seen > most.TotalMilliseconds && !ended.IsCompleted)
            {
                process.Kill();
                return;
            }
        }
    }

    /// <summary>Takes input from the host. Ends only by an error, after which the program is alone.</summary>
    private async Task ReadAsync(ExecPump pump, CancellationToken over)
    {
        try
        {
            while (true)
            {
                using var message = await stream.ReadAsync(over).ConfigureAwait(false);
                if (message.IsEnd)
                {
                    await pump.WriteAsync(default, over).ConfigureAwait(false);
                    await Task.Delay(Timeout.InfiniteTimeSpan, over).ConfigureAwait(false);
                }

                if (message.Span.IsEmpty || message.Span[0] != (byte)ExecMessage.Input)
                {
                    // Kept, because the program may be dead before this is thrown to its end.
                    throw _wrong = new ChannelException(ChannelError.InvalidArgument, ErrorClass.MayHaveRun, "a message to a program begins with 0, for its input");
                }

                await pump.WriteAsync(message.Memory[1..], over).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is ChannelException or OperationCanceledException)
        {
            if (!pump.Ended.IsCompleted && !(spec.KeepOnSessionLoss && await IsLossAsync(e).ConfigureAwait(false)))
            {
                process.Kill();
            }

            throw;
        }
    }

    /// <summary>Whether the session is gone, and not the host's wish for this program.</summary>
    private async Task<bool> IsLossAsync(Exception reason)
    {
        if (reason is OperationCanceledException)
        {
            // The stream knows why.
            try
            {
                using var _ = await stream.ReadAsync(CancellationToken.None).ConfigureAwait(false);
                return false;
            }
            catch (ChannelException e)
            {
                reason = e;
            }
        }

        return reason is ChannelException { Code: ChannelError.SessionLost or ChannelError.SessionClosed };
    }

    private bool Send(ReadOnlyMemory<byte> message)
    {
        if (_isAlone)
        {
            return false;
        }

        try
        {
            // Consumed in any case: a write that was taken meanwhile still holds the stream's one place for a writer.
            stream.WriteAsync(message, CancellationToken.None).AsTask().GetAwaiter().GetResult();
            return true;
        }
        catch (ChannelException)
        {
            // The reading side sees the same end, and decides.
            _isAlone = true;
            return false;
        }
    }

    private static byte[] Message(ExecMessage kind, IMessage content) => [(byte)kind, .. content.ToByteArray()];
}
