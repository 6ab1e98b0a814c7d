using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Runtime;

namespace ChannelSdk.GuestAgent.Services;

/// <summary>Which services the host finds on the channel: one line for each method.</summary>
internal static class HostServices
{
    private static readonly string[] s_info = ["info.Ping", "info.Get"];
    private static readonly string[] s_power = ["power.Request"];
    private static readonly string[] s_measure = ["measure.Echo", "measure.Sink", "measure.Source"];
    private static readonly string[] s_read = ["files.Stat", "files.List", "files.Read"];
    private static readonly string[] s_write = ["files.Write"];
    private static readonly string[] s_exec = ["exec.Run", "exec.Signal"];

    /// <summary>The methods that a configuration allows.</summary>
    public static IEnumerable<string> Allowed(AgentConfig config) =>
        [.. s_info, .. config.AllowPower ? s_power : [], .. config.AllowMeasure ? s_measure : [],
            .. config.FilesRead != ConfigKeys.None ? s_read : [], .. config.FilesWrite != ConfigKeys.None ? s_write : [],
            .. config.ExecAllow != ConfigKeys.None ? s_exec : []];

    /// <summary>Registers everything; the policy is asked at each call, so that a reload takes effect at once.</summary>
    public static ServiceRegistry Register(InfoService info, PowerService power, MeasureService measure, FilesService files, ExecService exec)
    {
        var registry = new ServiceRegistry();
        registry.Unary(ServiceMethods.InfoPing, (request, _) => ValueTask.FromResult(info.Ping(request)));
        registry.Unary(ServiceMethods.InfoGet, (_, _) => ValueTask.FromResult(info.Get()));
        registry.Unary(ServiceMethods.PowerRequest, (request, _) => ValueTask.FromResult(power.Request(request)));
        registry.Unary(ServiceMethods.MeasureEcho, (request, _) => ValueTask.FromResult(measure.Echo(request)));
        registry.Stream(ServiceMethods.MeasureSink, (_, stream, context) => measure.SinkAsync(stream, context.CancellationToken));
        registry.Stream(ServiceMethods.MeasureSource,
            (request, stream, context) => measure.SourceAsync(request, stream, context.CancellationToken));
        registry.Unary(ServiceMethods.FilesStat, (request, _) => files.StatAsync(request));
        registry.Stream(ServiceMethods.FilesList, (request, stream, context) => files.ListAsync(request, stream, context.CancellationToken));
        registry.Stream(ServiceMethods.FilesRead, (request, stream, context) => files.ReadAsync(request, stream, context.CancellationToken));
        registry.Stream(ServiceMethods.FilesWrite, (request, stream, context) => files.WriteAsync(request, stream, context.CancellationToken));
        registry.Stream(ServiceMethods.ExecRun, (request, stream, context) => exec.RunAsync(request, stream, context.CancellationToken));
        registry.Unary(ServiceMethods.ExecSignal, (request, _) => ValueTask.FromResult(exec.Signal(request)));
        return registry;
    }
}
