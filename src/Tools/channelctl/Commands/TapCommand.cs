using System.CommandLine;
using ChannelSdk.Cli.Shared;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Text;
using ChannelSdk.Transports.Abstractions;
using ChannelSdk.Transports.LinkLocal;

namespace ChannelSdk.Cli.Commands;

/// <summary>channelctl tap up, down, list: link-local networks of instances.</summary>
internal static class TapCommand
{
    public static Command Create() => new("tap", "Sets up and removes the link-local networks of instances. Takes root.")
    {
        Up(),
        Down(),
        new Command("list", "Prints the names of the networks that are set up, one a line.").With(() =>
        {
            foreach (var name in LinkLocalNetwork.List())
            {
                Console.WriteLine(name);
            }
        }),
    };

    private static Command Up()
    {
        var name = Name();
        return new Command("up", "Sets up an instance's network, or what is missing of it, and prints its namespace.") { name }.With(parsed =>
        {
            var network = LinkLocalNetwork.Of(parsed.GetValue(name)!);
            network.SetUp();
            Console.WriteLine(network.NamespacePath);
        });
    }

    private static Command Down()
    {
        var name = Name();
        name.Arity = ArgumentArity.ZeroOrOne;
        var all = new Option<bool>("--all") { Description = "All networks, also those that another program made" };
        return new Command("down", "Removes an instance's network; one that is not there is no error.") { name, all }.With(parsed =>
        {
            var names = parsed.GetValue(all) ? LinkLocalNetwork.List() : [parsed.GetValue(name)
                ?? throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, "give the name of an instance, or --all")];
            foreach (var each in names)
            {
                LinkLocalNetwork.Of(each).Remove();
            }
        });
    }

    private static Argument<string> Name() => new("INSTANCE") { Description = $"Name of the instance: {InstanceName.Rule}" };

    private static Command With(this Command command, Action action) => command.With(_ => action());

    private static Command With(this Command command, Action<ParseResult> action)
    {
        command.SetAction(parsed =>
        {
            try
            {
                action(parsed);
                return ExitCode.Ok;
            }
            catch (ChannelException e)
            {
                Console.Error.WriteLine($"channelctl: {SafeText.Escape(e.Message)} ({e.Code}, {e.Class})");
                return ExitCode.Of(e);
            }
        });
        return command;
    }
}
