using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Install;
using ChannelSdk.GuestAgent.Overlay;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Runtime;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>Which services the host finds on the channel: one line for each method.</summary>
internal static class HostServices
{
    /// <summary>
    /// Registers everything; the configuration is asked at each call, so that a reload takes effect at once. What is answered on the channel's
    /// receive path, as the ping is, computes and no more: it opens no file and waits for nobody.
    /// </summary>
    public static void Register(
        ServiceGate gate, Func<AgentConfig> config, InfoService info, PowerService power,
        MeasureService measure, FreezeService freeze, TimeService time, TrimService trim,
        FilesService files, ExecService exec, InstallService install, OverlayService overlay)
    {
        string? PowerDenial() => config().AllowPower ? null : "the image's configuration says power = deny";
        string? MeasureDenial() => config().AllowMeasure ? null : "the image's configuration says measure = deny";
        string? ReadDenial() => gate.Policy.Readable.Count > 0 ? null : "the image's policy allows no reading ([files] read)";
        string? WriteDenial() => gate.Policy.Writable.Count > 0 ? null : "the image's policy allows no writing ([files] write)";
        string? ExecDenial() => gate.Policy.Commands.Count > 0 ? null : "the image's policy allows no command ([[exec]])";
        string? InstallDenial() => config().AllowInstall ? null : "this guest is no appliance (its configuration says install = deny)";
        gate.Unary(ServiceMethods.InfoPing, (request, _) => ValueTask.FromResult(info.Ping(request)));
        gate.Unary(ServiceMethods.InfoGet, (_, _) => info.GetAsync());
        gate.Unary(ServiceMethods.PowerRequest, (request, _) => new(OwnThread.RunAsync(() => power.Request(request))), PowerDenial);
        gate.Restriction = () => freeze.Restriction;
        gate.Unary(ServiceMethods.FreezeFreeze, (request, _) => freeze.FreezeAsync(request));
        gate.Unary(ServiceMethods.FreezeThaw, (request, _) => freeze.ThawAsync(request));
        gate.Unary(ServiceMethods.FreezeRenew, (request, _) => ValueTask.FromResult(freeze.Renew(request)));
        gate.Unary(ServiceMethods.FreezeStatus, (_, _) => ValueTask.FromResult(freeze.Status()));
        gate.Unary(ServiceMethods.TimeGet, (_, _) => ValueTask.FromResult(time.Get()));
        gate.Unary(ServiceMethods.TimeSet, (request, _) => new(OwnThread.RunAsync(() => time.Set(request))));
        gate.Unary(ServiceMethods.StorageTrim, (request, _) => trim.TrimAsync(request));
        gate.Unary(ServiceMethods.MeasureEcho, (request, _) => ValueTask.FromResult(MeasureService.Echo(request)), MeasureDenial);
        gate.Stream(ServiceMethods.MeasureSink,
            (_, stream, context) => measure.SinkAsync(stream, context.CancellationToken), MeasureDenial);
        gate.Stream(ServiceMethods.MeasureSource,
            (request, stream, context) => MeasureService.SourceAsync(request, stream, context.CancellationToken), MeasureDenial);
        gate.Unary(ServiceMethods.FilesStat, (request, _) => files.StatAsync(request), ReadDenial);
        gate.Stream(ServiceMethods.FilesList,
            (request, stream, context) => files.ListAsync(request, stream, context.CancellationToken), ReadDenial);
        gate.Stream(ServiceMethods.FilesRead,
            (request, stream, context) => files.ReadAsync(request, stream, context.CancellationToken), ReadDenial);
        gate.Stream(ServiceMethods.FilesWrite,
            (request, stream, context) => files.WriteAsync(request, stream, context.CancellationToken), WriteDenial);
        gate.Stream(ServiceMethods.ExecRun,
            (request, stream, context) => exec.RunAsync(request, stream, context.CancellationToken), ExecDenial);
        gate.Unary(ServiceMethods.ExecSignal, (request, _) => ValueTask.FromResult(exec.Signal(request)), ExecDenial);
        gate.Stream(ServiceMethods.InstallRun,
            (request, stream, context) => install.RunAsync(request, stream, context.CancellationToken), InstallDenial);
        gate.Stream(ServiceMethods.InstallOverlay,
            (request, stream, context) => overlay.RunAsync(request, stream, context.CancellationToken), InstallDenial);
    }
}
