using System.Globalization;
using System.Text.Json;
using ChannelSdk.Channels;
using ChannelSdk.Host.Json;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Exec;
using ChannelSdk.Services.Files;
using ChannelSdk.Services.Freeze;
using ChannelSdk.Services.Info;
using ChannelSdk.Services.Measure;
using ChannelSdk.Services.Power;
using ChannelSdk.Services.Storage;
using ChannelSdk.Services.Time;

namespace ChannelSdk.Host.Qga;

/// <summary>Which calls of the channel qemu-ga can serve, and how. Other calls are refused with the reason.</summary>
internal static class QgaServices
{
    // qemu-ga does not answer a shutdown that it accepts.
    private static readonly TimeSpan s_refusalTime = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_trimTime = TimeSpan.FromHours(1);
    private const int MaxPaths = 256;

    public static void Register(ServiceRegistry services, QgaClient client, QgaFreezeGuard freeze, TimeProvider time)
    {
        var info = new QgaInfo(client);
        var files = new QgaFiles(client);
        var programs = new QgaPrograms(client, time);
        services.Unary(InfoMethods.Ping, (request, context) => PingAsync(client, request, context.CancellationToken));
        services.Unary(InfoMethods.Get, (_, context) => info.GetAsync(context.CancellationToken));
        services.Unary(PowerMethods.Request, (request, context) => PowerAsync(client, request, context.CancellationToken));
        services.Unary(FreezeMethods.Freeze, (request, context) => freeze.FreezeAsync(request, context.CancellationToken));
        services.Unary(FreezeMethods.Thaw, (request, context) => freeze.ThawAsync(request, context.CancellationToken));
        services.Unary(FreezeMethods.Renew, (request, context) => freeze.RenewAsync(request, context.CancellationToken));
        services.Unary(FreezeMethods.Status, (_, _) => ValueTask.FromResult(freeze.Report()));
        services.Unary(TimeMethods.Get, (_, context) => TimeAsync(client, context.CancellationToken));
        services.Unary(TimeMethods.Set, (request, context) => SetTimeAsync(client, request, context.CancellationToken));
        services.Unary(StorageMethods.Trim, (request, context) => TrimAsync(client, request, context.CancellationToken));
        services.Stream(FilesMethods.Read, (request, stream, context) => files.ReadAsync(request, stream, context.CancellationToken));
        services.Stream(FilesMethods.Write, (request, stream, _) => files.WriteAsync(request, stream));
        services.Stream(ExecMethods.Run, (request, stream, context) => programs.RunAsync(request, stream, context.CancellationToken));
        services.Unary(ExecMethods.Signal, static (_, _) => throw QgaErrors.Unavailable("signal a program"));
        services.Unary(FilesMethods.Stat, static (_, _) => throw QgaErrors.Unavailable("tell what a file is"));
        services.Stream(FilesMethods.List, static (_, _, _) => throw QgaErrors.Unavailable("list a folder"));
        services.Unary(MeasureMethods.Echo, static (_, _) => throw QgaErrors.Unavailable("measure throughput"));
        services.Stream(MeasureMethods.Sink, static (_, _, _) => throw QgaErrors.Unavailable("measure throughput"));
        services.Stream(MeasureMethods.Source, static (_, _, _) => throw QgaErrors.Unavailable("measure throughput"));
    }

    private static async ValueTask<PingReply> PingAsync(QgaClient client, PingRequest request, CancellationToken cancellationToken)
    {
        await client.CallAsync("guest-ping", null, null, cancellationToken).ConfigureAwait(false);
        return new PingReply { Payload = request.Payload };
    }

    private static async ValueTask<PowerReply> PowerAsync(QgaClient client, PowerCommand request, CancellationToken cancellationToken)
    {
        if (request.Force)
        {
            throw QgaErrors.Unavailable("stop the guest without its init system");
        }

        var (command, arguments) = request.Action switch
        {
            PowerAction.Shutdown => ("guest-shutdown", "{\"mode\":\"powerdown\"}"),
            PowerAction.Reboot => ("guest-shutdown", "{\"mode\":\"reboot\"}"),
            PowerAction.Halt => ("guest-shutdown", "{\"mode\":\"halt\"}"),
            PowerAction.SuspendRam => ("guest-suspend-ram", null),
            PowerAction.SuspendDisk => ("guest-suspend-disk", (string?)null),
            _ => throw QgaErrors.Unavailable("let the guest stand idle"),
        };
        await client.SendAsync(command, arguments, s_refusalTime, cancellationToken).ConfigureAwait(false);
        return new PowerReply { Accepted = true, How = $"qemu-ga's {command}, which it did not refuse" };
    }

    private static async ValueTask<TimeReply> TimeAsync(QgaClient client, CancellationToken cancellationToken)
    {
        var time = await client.CallAsync("guest-get-time", null, null, cancellationToken).ConfigureAwait(false);
        return time.ValueKind == JsonValueKind.Number && time.TryGetInt64(out var unixNs) ? new TimeReply { UnixNs = unixNs }
            : throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the guest's answer to guest-get-time is no time");
    }

    private static async ValueTask<TimeReply> SetTimeAsync(QgaClient client, TimeSetRequest request, CancellationToken cancellationToken)
    {
        var before = await TimeAsync(client, cancellationToken).ConfigureAwait(false);
        await client.CallAsync("guest-set-time", string.Create(CultureInfo.InvariantCulture, $"{{\"time\":{request.UnixNs}}}"), null, cancellationToken).ConfigureAwait(false);
        var after = await TimeAsync(client, cancellationToken).ConfigureAwait(false);
        after.MovedNs = unchecked(request.UnixNs - before.UnixNs);
        return after;
    }

    private static async ValueTask<TrimReply> TrimAsync(QgaClient client, TrimRequest request, CancellationToken cancellationToken)
    {
        if (request.Mounts.Count > 0)
        {
            throw QgaErrors.Unavailable("trim some file systems and not others");
        }

        var minimum = Math.Min(request.MinimumBytes, long.MaxValue);
        var result = await client.CallAsync("guest-fstrim", string.Create(CultureInfo.InvariantCulture, $"{{\"minimum\":{minimum}}}"), s_trimTime, cancellationToken).ConfigureAwait(false);
        var reply = new TrimReply();
        foreach (var path in UntrustedJson.Items(result, "paths", MaxPaths))
        {
            reply.Mounts.Add(new TrimResult
            {
                Mount = UntrustedJson.Text(path, "path"),
                TrimmedBytes = (ulong)Math.Max(0, UntrustedJson.Number(path, "trimmed") ?? 0),
                Reason = UntrustedJson.Text(path, "error"),
            });
        }

        return reply;
    }
}
