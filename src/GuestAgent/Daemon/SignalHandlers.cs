using System.Runtime.InteropServices;

namespace ChannelSdk.GuestAgent.Daemon;

/// <summary>
/// SIGTERM and SIGINT stop the daemon cleanly, a second one ends it at once; SIGHUP reads the configuration again.
/// </summary>
internal sealed class SignalHandlers : IDisposable
{
    private readonly AgentDaemon _daemon;
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _stops;

    public SignalHandlers(AgentDaemon daemon)
    {
        _daemon = daemon;
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => OnStop(context, "SIGTERM")));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, context => OnStop(context, "SIGINT")));
        _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            _daemon.Reload();
        }));
    }

    public void Dispose() => _registrations.ForEach(static registration => registration.Dispose());

    private void OnStop(PosixSignalContext context, string name)
    {
        // Left uncancelled, the signal's default action ends the process.
        context.Cancel = Interlocked.Increment(ref _stops) == 1;
        _daemon.Stop(name);
    }
}
