// The Worker under test. Its tests register endpoints while they run, in the isolate that the objects run in too.
import { ServerContainer } from "socle";

export const container = new ServerContainer();
export class Endpoints extends container.Endpoint {}
export default container;
